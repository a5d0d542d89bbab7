package e2e

import (
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/internal/stack"
)

// orders are what a shop has in hand at a time: fewest at three in the morning, most at noon
// UTC, again many in the evening, and of a weekend two thirds of that.
func orders(at time.Time, noise *rand.Rand) float64 {
	h := float64(at.Hour()) + float64(at.Minute())/60
	peak := func(hour, height, width float64) float64 {
		away := math.Mod(h-hour+36, 24) - 12
		return height * math.Exp(-away*away/(2*width*width))
	}
	busy := 40 + peak(12, 200, 3) + peak(19, 110, 2)
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		busy *= 2.0 / 3
	}
	return busy * (1 + 0.04*noise.NormFloat64())
}

// pastWeeks has Foreshock hear of the shop's weeks up to now, a sample each five minutes.
func pastWeeks(t *testing.T, s *stack.Stack, weeks int) {
	const every = 5 * time.Minute
	noise := rand.New(rand.NewPCG(7, 7))
	series := []prompb.TimeSeries{{Labels: []prompb.Label{{Name: "__name__", Value: "orders_in_hand"}, {Name: "instance", Value: "web-1.example.com:9100"}, {Name: "job", Value: "shop"}}}}
	send := func() {
		if status, err := post(s.URL(9797, "/api/v1/write"), marshal(t, series), nil); err != nil || status != http.StatusNoContent {
			t.Fatalf("%d %v", status, err)
		}
		series[0].Samples = nil
	}
	now := time.Now().UTC().Truncate(every)
	for at := now.AddDate(0, 0, -7*weeks); !at.After(now); at = at.Add(every) {
		series[0].Samples = append(series[0].Samples, prompb.Sample{Timestamp: at.UnixMilli(), Value: orders(at, noise)})
		if len(series[0].Samples) == 288 {
			send()
		}
	}
	send()
}

// peakScript is where, as a share of the chart's width between its axes, the line of the
// chart of that name is highest; -1 where no line is drawn.
const peakScript = `(() => {
	const plot = document.querySelector('.plot[aria-label="NAME"]'), canvas = plot.querySelector('canvas'), over = plot.querySelector('.u-over').getBoundingClientRect(), whole = canvas.getBoundingClientRect();
	const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
	const probe = document.createElement('canvas').getContext('2d');
	probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--blue');
	probe.fillRect(0, 0, 1, 1);
	const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
	for (let y = 0; y < height; y++) {
		for (let x = 0; x < width; x++) {
			const k = 4 * (y * width + x);
			if (data[k + 3] > 200 && Math.abs(data[k] - r) + Math.abs(data[k + 1] - g) + Math.abs(data[k + 2] - b) < 40) return (x * whole.width / width + whole.left - over.left) / over.width;
		}
	}
	return -1;
})()`

// TestConsoleShowsTheSeason: what a real Foreshock learned in five weeks of a shop is drawn by
// the hours of who looks: noon in UTC is a quarter to six in the evening in Kathmandu.
func TestConsoleShowsTheSeason(t *testing.T) {
	s := start(t, "testdata/stack")
	sidecar(t, s)
	pastWeeks(t, s, 5)
	b := newBrowser(t, s.URL(9797, ""))
	if _, err := chromedp.Call(b.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kathmandu"}); err != nil {
		t.Fatal(err)
	}
	b.look(1280, "light")
	b.visit("#/series?match=" + url.QueryEscape("orders_in_hand"))
	b.until(20*time.Second, "a season", `document.querySelectorAll('.plot canvas').length >= 3`)
	b.settle()
	if text := evaluated[string](b, `document.querySelector('main').innerText`); !strings.Contains(text, "It explains enough of the series to count") {
		t.Errorf("the season is not said to count:\n%s", text)
	}
	if text := evaluated[string](b, `document.body.innerText`); strings.Count(text, "UTC+05:45") < 2 {
		t.Errorf("the zone is not said in the corner and beside the season:\n%s", text)
	}
	for chart, want := range map[string]struct{ from, to float64 }{ // of the day and of the week
		"season of the day":  {16.75 / 24, 18.75 / 24},
		"season of the week": {0, 5.3 / 7}, // on a working day
	} {
		at := evaluated[float64](b, strings.Replace(peakScript, "NAME", chart, 1))
		t.Logf("%s: highest at %.3f", chart, at)
		if at < want.from || at > want.to {
			t.Errorf("%s: highest at %.3f of its width, want %.3f to %.3f", chart, at, want.from, want.to)
		}
	}
	for _, width := range []int64{1280, 390} {
		b.look(width, "light")
		if wrong := b.orderly(); len(wrong) > 0 {
			t.Errorf("at %d px:\n%s", width, strings.Join(wrong, "\n"))
		}
	}
	b.told(t, "season")
}
