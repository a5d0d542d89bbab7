package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/internal/stack"
)

// hosts are where the shop runs; some are named by who means no good.
var hosts = []string{
	"web-1.example.com:9100",
	`<img src=x onerror="document.title='pwned'"><script>document.title='pwned'</script>`,
	"\u202eشبكة-1\u202e:9100",
	strings.Repeat("long-", 2000), // 10 000 characters
}

const scrapeInterval = 8 * time.Second

// reading is one value of one of the shop's series.
type reading struct {
	name, host string
	value      float64
}

// shop is a service on several hosts, with a fault when it is told so.
type shop struct {
	*httptest.Server
	faulty   atomic.Bool
	readings func(at time.Time, faulty bool) []reading
}

// newShop serves what readings says of the present.
func newShop(t *testing.T, readings func(at time.Time, faulty bool) []reading) *shop {
	s := &shop{readings: readings}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, x := range readings(time.Now(), s.faulty.Load()) {
			fmt.Fprintf(w, "%s{instance=\"%s\"} %g\n", x.name, quoted.Replace(x.host), x.value)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// past is what the shop was, so that a test need not wait for the warm-up.
func (s *shop) past(t *testing.T, scrapes int, every time.Duration) []byte {
	var all []prompb.TimeSeries
	for n := range scrapes {
		at := time.Now().Add(-time.Duration(scrapes-n) * every)
		for i, x := range s.readings(at, false) {
			if i == len(all) {
				all = append(all, prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: x.name}, {Name: "instance", Value: x.host}, {Name: "job", Value: "shop"}}})
			}
			all[i].Samples = append(all[i].Samples, prompb.Sample{Timestamp: at.UnixMilli(), Value: x.value})
		}
	}
	return marshal(t, all)
}

// watched has a real Prometheus scrape the shop and send what it says to Foreshock.
func (s *shop) watched(every time.Duration) string {
	return fmt.Sprintf(`
global: {scrape_interval: %s}
scrape_configs:
  - job_name: shop
    honor_labels: true
    static_configs: [{targets: [%q]}]
remote_write:
  - url: http://localhost:9797/api/v1/write
    queue_config: {batch_send_deadline: 200ms}
    write_relabel_configs: # how long a scrape takes says more of the machine than of the shop
      - {source_labels: [__name__], regex: scrape_.*, action: drop}
`, every, strings.TrimPrefix(s.URL, "http://"))
}

// slow is the latency of every host, which the fault makes tenfold.
func slow() func(time.Time, bool) []reading {
	r := rand.New(rand.NewPCG(1, 1))
	return func(_ time.Time, faulty bool) (all []reading) {
		for _, host := range hosts {
			v := 0.1 + 0.005*r.NormFloat64()
			if faulty {
				v += 0.9
			}
			all = append(all, reading{"app_latency_seconds", host, v})
		}
		return all
	}
}

// TestConsole is a person at the console of a real Foreshock that a real Prometheus feeds, in
// a real browser: nothing is wrong, then something is, a remedy is approved, the server goes
// and comes back.
func TestConsole(t *testing.T) {
	a, s := newShop(t, slow()), start(t, "testdata/stack")
	b := newBrowser(t, s.URL(9797, ""))
	ran := filepath.Join(s.Dir, "ran")
	settings := strings.NewReplacer("mode: auto", "mode: approve", "resolve_after: 5s", "resolve_after: 30s", `[/usr/bin/touch, "./calmed"]`, fmt.Sprintf(`[/bin/sh, -c, "echo ran >> %s"]`, ran)).Replace(read(t, s, "foreshock.yml"))
	write(t, s, "foreshock.yml", settings+"receiver: {max_label_value: 20000, max_labels_size: 64KiB}\n")
	write(t, s, "prometheus.yml", s.Local(a.watched(scrapeInterval)))
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	process := sidecar(t, s)
	resume(t, s)
	if status, err := post(s.URL(9797, "/api/v1/write"), a.past(t, 120, scrapeInterval), nil); err != nil || status != http.StatusNoContent {
		t.Fatalf("%d %v", status, err)
	}
	must[*stack.Process](t)(s.Prometheus(t.Context()))

	b.visit("#/now")
	b.until(40*time.Second, "samples that arrive", `document.body.innerText.includes('Nothing is wrong')`)
	eventually(t, 40*time.Second, "two scrapes", func() bool {
		return asked(t, s, 9797, fmt.Sprintf(`count_over_time(app_latency_seconds{instance=%q}[%ds]) >= 2`, hosts[0], int(3*scrapeInterval.Seconds()))) == 1
	})
	b.script(`window.same = 1`)
	a.faulty.Store(true)
	took := b.until(2*scrapeInterval, "the fault on Now", `window.same === 1 && [...document.querySelectorAll('#incidents [data-line]')].some((e) => e.innerText.includes('app_latency_seconds'))`)
	t.Logf("the fault was on Now after %s", took.Round(10*time.Millisecond))
	b.told(t, "Now")

	b.until(time.Minute, "an incident that fires", `document.querySelector('#incidents .firing, #incidents .warning, #incidents .critical, #incidents .page') !== null`)
	incident := evaluated[string](b, `document.querySelector('#incidents [data-line]').dataset.line`)
	series := "#/series?match=" + url.QueryEscape("app_latency_seconds{instance=\""+hosts[0]+"\"}")
	for _, page := range []string{"#/now", "#/incident/" + incident, series, "#/series", "#/map", "#/map?by=instance&at=" + url.QueryEscape(hosts[1]), "#/rules?rule=latency", "#/remediation", "#/status"} {
		b.look(1280, "light")
		b.visit(page)
		b.until(15*time.Second, "what "+page+" is about", `!document.querySelector('main').innerText.includes('Looking') && document.querySelector('main').innerText.length > 60`)
		if strings.Contains(page, "incident") || page == series {
			b.until(15*time.Second, "a chart", `document.querySelectorAll('.plot canvas').length >= 2`)
		}
		for _, look := range []struct {
			width  int64
			scheme string
		}{{1280, "light"}, {390, "dark"}} {
			b.look(look.width, look.scheme)
			if wrong := b.orderly(); len(wrong) > 0 {
				t.Errorf("%.60s at %d px, %s:\n%s", page, look.width, look.scheme, strings.Join(wrong, "\n"))
			}
		}
		if n := evaluated[int](b, `document.querySelectorAll('main img, main script').length`); n != 0 || strings.Contains(evaluated[string](b, `document.title`), "pwned") {
			t.Errorf("%s: a label became markup", page)
		}
		if loose := evaluated[int](b, `[...document.querySelectorAll('bdi')].filter((e) => getComputedStyle(e).unicodeBidi !== 'isolate').length`); loose != 0 {
			t.Errorf("%s: %d names may turn round what is beside them", page, loose)
		}
		b.told(t, page)
	}

	t.Run("an approval runs once", func(t *testing.T) {
		defer b.of(t)()
		b.look(1280, "light")
		b.visit("#/remediation")
		b.do(chromedp.SendKeys(chromedp.CSS(`input[name=person]`), "kim"), chromedp.SendKeys(chromedp.CSS(`input[name=token]`), read(t, s, "approval.token")))
		b.press("Show what is hidden")
		b.until(30*time.Second, "a plan that waits", `document.querySelector('article.plan .mono') !== null`)
		b.press("Approve")
		b.until(5*time.Second, "the form", `document.querySelector('form.deed') !== null`)
		b.script(`(() => { const b = document.querySelector('form.deed button'); b.click(); b.click(); b.click(); })()`)
		b.until(20*time.Second, "the remedy in the ledger", `[...document.querySelectorAll('td .badge')].some((e) => e.textContent === 'succeeded')`)
		time.Sleep(time.Second) // for what must not come
		if got := must[[]byte](t)(os.ReadFile(ran)); string(got) != "ran\n" {
			t.Errorf("it ran %d times", strings.Count(string(got), "ran"))
		}
		b.told(t, "approval")
	})

	t.Run("the server comes back", func(t *testing.T) {
		defer b.of(t)()
		b.visit("#/now")
		b.until(10*time.Second, "the state of the input", `document.querySelector('.facts') !== null`)
		b.script(`window.same = 1`)
		process.Stop(20 * time.Second)
		b.until(20*time.Second, "that it is gone", `document.querySelector('.connection.lost') !== null`)
		sidecar(t, s)
		b.until(30*time.Second, "that it is back", `document.querySelector('.connection:not(.lost)') !== null && window.same === 1`)
		before := evaluated[string](b, `document.querySelector('.facts').innerText`)
		b.until(40*time.Second, "news", fmt.Sprintf(`document.querySelector('.facts').innerText !== %q`, before))
		b.heard() // of requests that nobody answered
	})
}

// TestConsoleIsQuick: with 5 000 incidents open, what a person does is seen within 100 ms, and
// the page within 300 ms. The best of several counts: other tests may have the processor.
func TestConsoleIsQuick(t *testing.T) {
	const open = 5000
	now := time.Now().UnixMilli()
	all := make([]foreshock.Incident, open)
	for i := range all {
		x := foreshock.NewSeries(labels.FromStrings("__name__", "node_load1", "instance", fmt.Sprintf("web-%d:9100", i)))
		all[i] = foreshock.Incident{
			ID: fmt.Sprintf("%012x", i), State: foreshock.Firing, StartsAt: now - int64(i)*1000, Updated: now, Labels: x.Labels, Alerting: true, Rule: "load",
			Members: []foreshock.Member{{Series: x, Onset: now - int64(i)*1000, Peak: 3, Value: 12, Band: foreshock.Band{Expected: 1, Lower: 0.5, Upper: 1.5}}},
		}
	}
	events := console.NewEvents(nil)
	server := httptest.NewServer(console.New(console.Options{
		Status:    func() console.Status { return console.Status{Series: open, Samples: open, Now: 1} },
		Incidents: func() []foreshock.Incident { return slices.Clone(all) },
		Forecasts: func() []foreshock.Forecast { return nil },
		Series:    func(context.Context, []*labels.Matcher, int) ([]console.Series, error) { return nil, nil },
		Recent: func(_ context.Context, l []foreshock.Incident) [][]float64 {
			rows := make([][]float64, len(l))
			for i := range rows {
				rows[i] = []float64{1, 2, 3, 2}
			}
			return rows
		},
		Events: events,
	}))
	t.Cleanup(server.Close)
	t.Cleanup(events.Close)
	b := newBrowser(t, server.URL)

	var paints []float64
	for len(paints) < 12 && (len(paints) == 0 || slices.Min(paints) > 300) {
		b.visit("#/now")
		b.until(10*time.Second, "a paint", `performance.getEntriesByName('first-contentful-paint').length > 0`)
		paints = append(paints, evaluated[float64](b, `performance.getEntriesByName('first-contentful-paint')[0].startTime`))
	}
	t.Logf("first paints: %.0f ms", paints)
	if best := slices.Min(paints); best > 300 {
		t.Errorf("first paint after %.0f ms", best)
	}
	b.until(10*time.Second, "the list", `document.querySelectorAll('#incidents [data-line]').length === 50`)

	// Each from the key or the click to the next frame.
	for deed, script := range map[string]string{
		"next line": `dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}))`,
		"keys":      `dispatchEvent(new KeyboardEvent('keydown', {key: '?', bubbles: true}))`,
		"events":    `null`,
	} {
		var took []float64
		for range 6 {
			if deed == "events" {
				events.Tell(console.IncidentsTopic)
			}
			took = append(took, evaluated[float64](b, `new Promise((done) => { const t = performance.now(); `+strings.Replace(script, "dispatchEvent", "document.body.dispatchEvent", 1)+`; requestAnimationFrame(() => setTimeout(() => done(performance.now() - t))); })`))
		}
		t.Logf("%s: %.0f ms", deed, took)
		if best := slices.Min(took); best > 100 {
			t.Errorf("%s: %.0f ms", deed, best)
		}
	}
	b.do(chromedp.Click(chromedp.CSS("#more")))
	b.until(10*time.Second, "more of them", `document.querySelectorAll('#incidents [data-line]').length === 550`)
	var longest []float64
	for range 6 {
		longest = append(longest, evaluated[float64](b, `new Promise((done) => { const t = performance.now(); document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true})); requestAnimationFrame(() => setTimeout(() => done(performance.now() - t))); })`))
	}
	t.Logf("next line of 550: %.0f ms", longest)
	if best := slices.Min(longest); best > 100 {
		t.Errorf("next line of 550: %.0f ms", best)
	}
	b.told(t, "5 000 incidents")
}
