package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"

	"github.com/foreshock/foreshock/internal/stack"
)

// What a page may cost while it is open, as a share of a core: the browser by all its
// processes, and the server by what the page asks. Where incidents come and go every second it
// may be more.
const (
	mostOfACore        = 0.02
	mostOfACoreInStorm = 0.05
)

// spent is the processor time in seconds that all the browser's processes have used.
func (b *browser) spent() (seconds float64) {
	b.t.Helper()
	found, err := chromedp.CallBrowser(b.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range found.ProcessInfo {
		seconds += p.CPUTime
	}
	return seconds
}

// spent is the processor time in seconds that the process has used.
func spent(t *testing.T, pid int) float64 {
	t.Helper()
	const ticks = 100 // a second, of Linux
	stat := string(must[[]byte](t)(os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))))
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:]) // from the third, its state
	user, system := must[float64](t)(strconv.ParseFloat(fields[11], 64)), must[float64](t)(strconv.ParseFloat(fields[12], 64))
	return (user + system) / ticks
}

// townLives has the town's hosts be scraped, one part of them after another, until the
// function that it returns is called.
func townLives(t *testing.T, s *stack.Stack, restless bool) (stop func()) {
	done := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		every := time.NewTicker(townEvery / townParts)
		defer every.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case at := <-every.C:
				if status, err := post(s.URL(9797, "/api/v1/write"), townPart(t, n%townParts, at, restless), nil); err != nil || status != http.StatusNoContent {
					t.Errorf("%d %v", status, err)
				}
			}
		}
	})
	return func() {
		close(done)
		over.Wait()
	}
}

// cost is what the page costs the browser and what it asks costs the server, as shares of a
// core. The server is asked again for that when nothing else keeps it busy.
func cost(t *testing.T, b *browser, s *stack.Stack, process *stack.Process, page string, restless bool) (browser, server float64) {
	const watched = 8 * time.Second
	stop := townLives(t, s, restless)
	if page == "" {
		b.do(chromedp.Navigate("about:blank"))
	} else {
		b.visit(page)
	}
	time.Sleep(3 * time.Second) // until it is drawn, and what was compiled for that
	b.script(`performance.clearResourceTimings(); performance.setResourceTimingBufferSize(5000)`)
	before := b.spent()
	time.Sleep(watched)
	browser = (b.spent() - before) / watched.Seconds()
	paths := evaluated[[]string](b, `performance.getEntriesByType('resource').map((e) => e.name)`)
	b.do(chromedp.Navigate("about:blank"))
	stop()

	const times = 5
	before = spent(t, process.Pid())
	for range times {
		for _, path := range paths {
			must[[]byte](t)(stack.Fetch(t.Context(), path))
		}
	}
	server = (spent(t, process.Pid()) - before) / times / watched.Seconds()
	t.Logf("%-40.40s browser %.2f %%, server %.2f %% for %d requests in %s", page, 100*browser, 100*server, len(paths), watched)
	return browser, server
}

// TestConsoleCost: beside 100 000 series that are scraped and 500 open incidents, no page costs
// more than a fiftieth of a core while it is open, neither the browser nor the server. It is
// processor time that counts, which a busy machine has less of and not more; the best of three,
// as its caches are shared.
func TestConsoleCost(t *testing.T) {
	s, process := newTown(t)
	b := newBrowser(t, s.URL(9797, ""))
	b.visit("#/now")
	b.until(20*time.Second, "an incident", `document.querySelector('#incidents [data-line]') !== null`)
	incident := evaluated[string](b, `document.querySelector('#incidents [data-line]').dataset.line`)
	idle, _ := cost(t, b, s, process, "", false)
	hold := func(page string, restless bool, most float64) {
		for try := 1; ; try++ {
			browser, server := cost(t, b, s, process, page, restless)
			if browser-idle <= most && server <= most {
				return
			}
			if try == 3 {
				t.Errorf("%s: of a core %.1f %% in the browser, %.1f %% in the server; at most %.0f %%", page, 100*(browser-idle), 100*server, 100*most)
				return
			}
		}
	}
	for _, page := range []string{
		"#/now", "#/incident/" + incident, "#/series", "#/series?match=" + url.QueryEscape(`metric_00{instance="web-7:9100"}`),
		"#/map", "#/rules?rule=queue_of_7", "#/remediation", "#/status",
	} {
		hold(page, false, mostOfACore)
	}
	hold("#/now", true, mostOfACoreInStorm)
}
