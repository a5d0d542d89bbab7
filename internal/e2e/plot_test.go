package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
)

var plots = flag.String("plots", "", "folder to keep the pictures of the tests in, to be looked at")

const counterRules = `
groups:
  - name: web
    rules:
      - {watch: requests, select: 'http_requests_total{code="200"}', emit: all}
`

// requests are counters of 15 s: of 20 requests a second and, in the last quarter of an hour,
// of 80; one begins anew at 0 after half an hour. Of another there is nothing but its name.
func requests(end time.Time) (all []prompb.TimeSeries) {
	const samples = 4 * 90 // an hour and a half
	r := rand.New(rand.NewPCG(3, 1))
	for _, ls := range [][]prompb.Label{
		{{Name: "__name__", Value: "http_requests_total"}, {Name: "code", Value: "200"}, {Name: "instance", Value: "web\"1\u202e"}},
		{{Name: "__name__", Value: "http_requests_total"}, {Name: "code", Value: "200"}, {Name: "instance", Value: "web\"1\u202e"}, {Name: "path", Value: "/"}},
	} {
		one, count := prompb.TimeSeries{Labels: ls}, 1e6
		for n := range samples {
			rate := 20.0
			if n >= samples-60 && len(ls) == 3 {
				rate = 80
			}
			if count += 15 * (rate + r.NormFloat64()); n == samples/2 {
				count = 15 * rate
			}
			one.Samples = append(one.Samples, prompb.Sample{Timestamp: end.Add(time.Duration(n-samples) * 15 * time.Second).UnixMilli(), Value: count})
		}
		all = append(all, one)
	}
	return all
}

// TestPlotsOfARunningForeshock: counters are drawn by their rate as it was scored, a start anew
// at 0 is no spike, the fault is marked; and the incident it is part of is drawn, too.
func TestPlotsOfARunningForeshock(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", counterRules)
	settings := read(t, s, "foreshock.yml")
	write(t, s, "foreshock.yml", strings.Replace(settings[:strings.Index(settings, "remote_write:")], "warm_up: 30", "warm_up: 30\n  window: 2h", 1))
	sidecar(t, s)
	if status, err := post(s.URL(9797, "/api/v1/write"), marshal(t, requests(time.Now())), nil); err != nil || status != http.StatusNoContent {
		t.Fatalf("%d %v", status, err)
	}
	var incidents struct{ Data []struct{ ID string } }
	eventually(t, 30*time.Second, "the incident", func() bool {
		getJSON(t, s.URL(9797, "/api/v1/incidents?members=1"), &incidents)
		return len(incidents.Data) == 1 && asked(t, s, 9797, `last_over_time(foreshock_expected[5m])`) == 2
	})
	drawn := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program(t), append([]string{"plot"}, append(args, "--url", s.URL(9797, ""))...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("plot %q: %v", args, err)
		}
		return string(out)
	}
	const selector = `http_requests_total{path=""}`
	for _, to := range []string{"series.png", "series-dark.png", "series.svg", "series.html", "incident.png", "incident.svg"} {
		of := []string{"series", selector, "--from", "-85m"}
		if strings.HasPrefix(to, "incident") {
			of = []string{"incident", incidents.Data[0].ID}
		}
		if strings.Contains(to, "dark") {
			of = append(of, "--theme", "dark")
		}
		folder := *plots
		if folder == "" {
			folder = t.TempDir()
		}
		file := filepath.Join(folder, to)
		drawn(append(of, "--file", file)...)
		picture := must[[]byte](t)(os.ReadFile(file))
		if begins := map[string]string{".png": "\x89PNG", ".svg": "<?xml", ".html": "<!doctype"}[filepath.Ext(to)]; !strings.HasPrefix(string(picture), begins) {
			t.Errorf("%s begins with %.20q", to, picture)
		}
		if filepath.Ext(to) != ".svg" {
			continue
		}
		if most := slices.Max(ticks(t, string(picture))); most < 60 || most > 130 {
			t.Errorf("%s: values reach %g, want some 80 a second", to, most)
		}
		for _, want := range []string{`http_requests_total{code=`, "per second"} {
			if !strings.Contains(string(picture), want) {
				t.Errorf("%s does not say %s", to, want)
			}
		}
	}

	text := drawn("series", selector, "--from", "-85m")
	if *plots != "" {
		fmt.Println(text)
	}
	if strings.Count(text, "http_requests_total") != 1 || strings.Contains(text, "\u202e") {
		t.Errorf("not the one series, or not harmless:\n%s", text)
	}
	for _, want := range []string{"per second", "●", "━", "⣀"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %s:\n%s", want, text)
		}
	}
	heavy := regexp.MustCompile(`└─+━`).FindString(text)
	if at, wide := len([]rune(heavy)), 92; at < wide/2 {
		t.Errorf("the counter that began anew is marked, in column %d:\n%s", at, text)
	}
}

// ticks are the numbers along the axes of an SVG.
func ticks(t *testing.T, svg string) (all []float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`>(-?[0-9.]+)</text>`).FindAllStringSubmatch(svg, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		t.Fatal("no axis has a number")
	}
	return all
}
