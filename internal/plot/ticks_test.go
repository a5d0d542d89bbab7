package plot

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestTimeTicksAreInstantsAPersonWouldName(t *testing.T) {
	at := func(s string) float64 {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return float64(v.UnixMilli())
	}
	for _, c := range []struct{ from, to, want string }{
		{"2026-03-01T00:00:00Z", "2026-03-01T00:00:00.8Z", "00:00:00.000/1 Mar 2026 00:00:00.100 00:00:00.200 00:00:00.300 00:00:00.400 00:00:00.500 00:00:00.600 00:00:00.700 00:00:00.800"},
		{"2026-03-01T23:58:00Z", "2026-03-02T00:02:00Z", "23:58:00/1 Mar 2026 23:58:30 23:59:00 23:59:30 00:00:00/2 Mar 2026 00:00:30 00:01:00 00:01:30 00:02:00"},
		{"2026-03-01T10:07:00Z", "2026-03-01T16:00:00Z", "11:00/1 Mar 2026 12:00 13:00 14:00 15:00 16:00"},
		{"2025-12-29T06:00:00Z", "2026-01-03T00:00:00Z", "30 Dec/2025 31 Dec 1 Jan/2026 2 Jan 3 Jan"},
		{"2025-10-10T00:00:00Z", "2026-05-01T00:00:00Z", "Nov/2025 Dec Jan/2026 Feb Mar Apr May"},
		{"2001-06-01T00:00:00Z", "2026-05-01T00:00:00Z", "2005 2010 2015 2020 2025"},
	} {
		var labels []string
		for _, tick := range (timeTicks{}).Ticks(at(c.from), at(c.to)) {
			labels = append(labels, strings.ReplaceAll(strings.TrimRight(tick.Label, "\n "), "\n", "/"))
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%s … %s:\n got %s\nwant %s", c.from, c.to, got, c.want)
		}
	}
}

func TestValueTicksCanBeToldApart(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{0, 1.25, "0.0 0.5 1.0"},
		{-1, 1, "-1.0 -0.5 0.0 0.5 1.0"},
		{0.1, 0.3, "0.10 0.15 0.20 0.25 0.30"},
		{47, 211, "50 100 150 200"},
		{0, 48_000, "0k 10k 20k 30k 40k"},
		{9.9e8, 1.1e9, "1000M 1050M 1100M"},
		{0, 5e14, "0T 100T 200T 300T 400T 500T"},
		{-8e307, 8e307, "-5e+307 0e+00 5e+307"},
		{0, 3e-7, "0e+00 1e-07 2e-07 3e-07"},
		{1e6, 1e6 + 0.01, "1000000.000 1000000.002 1000000.004 1000000.006 1000000.008 1000000.010"},
	} {
		var labels []string
		for _, tick := range (valueTicks{5}).Ticks(c.low, c.high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%g … %g: %s, want %s", c.low, c.high, got, c.want)
		}
	}
}

func FuzzTicks(f *testing.F) {
	f.Add(0.0, 1.0)
	f.Add(-8e307, 8e307)
	f.Add(1.0, math.Nextafter(1, 2))
	f.Fuzz(func(t *testing.T, low, high float64) {
		if !(low < high) || math.Abs(low) > largest || math.Abs(high) > largest {
			return
		}
		if n := len((valueTicks{5}).Ticks(low, high)); n > 6 {
			t.Errorf("%g … %g: %d value ticks", low, high, n)
		}
		if math.Abs(low) > math.MaxInt64 || math.Abs(high) > math.MaxInt64 {
			return
		}
		if n := len((timeTicks{}).Ticks(low, high)); n > mostTimeTicks+1 {
			t.Errorf("%g … %g: %d time ticks", low, high, n)
		}
	})
}
