package e2e

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/foreshock/foreshock/internal/stack"
)

var screenshots = flag.String("screenshots", "", "write a picture of each page of the console into this `directory`")

// fleetOfShops is eight hosts of a shop. A fault slows two of them and fills their heaps;
// one has a disk that fills anyway.
func fleetOfShops() func(time.Time, bool) []reading {
	r := rand.New(rand.NewPCG(3, 3))
	begun := time.Now().Add(-2 * time.Hour)
	return func(at time.Time, faulty bool) (all []reading) {
		t := at.Sub(begun).Seconds()
		for n := range 8 {
			host := fmt.Sprintf("web-%d.example.com:9100", n+1)
			odd := 0.0
			if faulty && (n == 2 || n == 3) {
				odd = 1
			}
			all = append(
				all,
				reading{"app_latency_seconds", host, 0.12 + 0.008*r.NormFloat64() + 0.7*odd},
				reading{"app_heap_bytes", host, 3e8 + 2e7*math.Sin(t/300+float64(n)) + 2e6*r.NormFloat64() + 3e8*odd},
				reading{"app_requests_total", host, t*50 + 20*r.Float64()},
			)
			if n < 3 {
				all = append(all, reading{"disk_free_bytes", host, 9e10 - t*float64(3-n)*3e6 + 1e5*r.NormFloat64()})
			}
		}
		return all
	}
}

const picturedRules = `
groups:
  - name: shop
    rules:
      - watch: latency
        select: app_latency_seconds
        direction: above
        emit: all
        labels: {severity: page}
      - watch: heap
        select: app_heap_bytes
        emit: all
      - watch: requests
        expr: sum(rate(app_requests_total[1m]))
      - forecast: disk_full
        select: disk_free_bytes
        limit: "< 1e9"
        horizon: 1d
        labels: {severity: ticket}
      - remedy: calm_it
        match: '{rule=~"latency|heap"}'
        action: shed-load
`

// TestScreenshots renews the pictures of the docs: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("no -screenshots")
	}
	a, s := newShop(t, fleetOfShops()), start(t, "testdata/stack")
	b := newBrowser(t, s.URL(9797, ""))
	write(t, s, "rules.yml", picturedRules)
	write(t, s, "foreshock.yml", strings.NewReplacer("mode: auto", "mode: approve", "name: calm", "name: shed-load", "resolve_after: 5s", "resolve_after: 1m").Replace(read(t, s, "foreshock.yml")))
	write(t, s, "prometheus.yml", s.Local(a.watched(5*time.Second)))
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	sidecar(t, s)
	resume(t, s)
	if status, err := post(s.URL(9797, "/api/v1/write"), a.past(t, 700, 5*time.Second), nil); err != nil || status != http.StatusNoContent {
		t.Fatalf("%d %v", status, err)
	}
	must[*stack.Process](t)(s.Prometheus(t.Context()))
	b.visit("#/now")
	time.Sleep(20 * time.Second) // of calm
	a.faulty.Store(true)
	b.until(2*time.Minute, "a cause", `document.body.innerText.includes('likely from web-3')`)
	time.Sleep(70 * time.Second) // for something to see, and a forecast
	incident := evaluated[string](b, `[...document.querySelectorAll('#incidents [data-line]')].find((e) => e.innerText.includes('likely from web-3')).dataset.line`)
	series := "#/series?match=" + url.QueryEscape(`app_latency_seconds{instance="web-3.example.com:9100"}`)
	b.visit("#/remediation")
	b.do(chromedp.SendKeys(chromedp.CSS(`input[name=person]`), "kim"), chromedp.SendKeys(chromedp.CSS(`input[name=token]`), read(t, s, "approval.token")))
	b.press("Show what is hidden")
	for _, p := range []struct {
		name, page    string
		width, height int64
		scheme        string
	}{
		{"console", "#/now", 1280, 760, "light"},
		{"console-dark", "#/now", 1280, 760, "dark"},
		{"console-phone", "#/now", 390, 844, "light"},
		{"console-incident", "#/incident/" + incident, 1280, 1500, "light"},
		{"console-series", series, 1280, 1150, "dark"},
		{"console-map", "#/map?span=3600&at=web-3.example.com%3A9100", 1280, 760, "light"},
		{"console-rules", "#/rules?rule=latency", 1280, 760, "light"},
		{"console-remediation", "#/remediation", 1280, 900, "dark"},
		{"console-status", "#/status", 1280, 900, "light"},
	} {
		b.look(p.width, p.scheme)
		b.picture(p.name, p.page, p.width, p.height)
	}
}

// TestScreenshotsOfASeason is the picture of what five weeks taught.
func TestScreenshotsOfASeason(t *testing.T) {
	if *screenshots == "" {
		t.Skip("no -screenshots")
	}
	s := start(t, "testdata/stack")
	sidecar(t, s)
	pastWeeks(t, s, 5)
	b := newBrowser(t, s.URL(9797, ""))
	b.look(1280, "light")
	b.picture("console-season", "#/series?match=orders_in_hand", 1280, 1180)
}

// picture writes how the page looks in a window of that size, once it is drawn.
func (b *browser) picture(name, page string, width, height int64) {
	b.do(chromedp.EmulateViewport(width, height))
	b.visit(page)
	b.until(20*time.Second, "what "+page+" is about", `!document.querySelector('main').innerText.includes('Looking') && document.querySelector('main').innerText.length > 60`)
	time.Sleep(7 * time.Second) // for what is asked one after the other, and a rate
	b.settle()
	picture := must[[]byte](b.t)(chromedp.Run(b.ctx, chromedp.CaptureScreenshot()))
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.told(b.t, name)
}
