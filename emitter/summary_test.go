package emitter

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// at14 is the minute of 14:00 UTC on the day of the incidents of these tests.
func at14(minute int) int64 {
	return time.Date(2026, time.March, 2, 14, minute, 0, 0, time.UTC).UnixMilli()
}

func odd(minute int, value, lower, upper float64, ls ...string) foreshock.Member {
	return foreshock.Member{
		Series: series(ls...), Onset: at14(minute), Value: value, Peak: 2,
		Band: foreshock.Band{Expected: (lower + upper) / 2, Lower: lower, Upper: upper},
	}
}

// group is that of a place, and the series of it that says most.
func group(m foreshock.Member, odd, of int, ls ...string) foreshock.Member {
	loudest := foreshock.Witness{Series: m.Series, Value: m.Value, Band: m.Band}
	m.Series = foreshock.NewGroup(labels.FromStrings(ls...), "r")
	m.Odd, m.Of = odd, of
	if odd > 0 {
		m.Loudest = loudest
	}
	return m
}

// TestSummaries are typical incidents in the words a person is woken by. Read them.
func TestSummaries(t *testing.T) {
	latency := odd(3, 0.8, 0.15, 0.25, "__name__", "checkout_latency_seconds", "service", "checkout")
	disk := odd(1, 0.09, 0.001, 0.003, "__name__", "node_disk_latency_seconds", "instance", "node-7")
	pods := []foreshock.Member{disk, latency}
	for k := range 12 {
		pods = append(pods, odd(4, 9, 1, 3, "__name__", "queue_depth", "pod", string(rune('a'+k%5))))
	}
	for _, c := range []struct {
		name string
		i    foreshock.Incident
		want string
	}{
		{
			"the one of the manual",
			foreshock.Incident{Rule: "slow", Members: pods},
			"checkout latency 4× normal (800 ms) since 14:03 UTC; node-7's disk latency moved first, 2 min earlier; 14 series in 5 pods and 2 other places",
		},
		{
			"one series",
			foreshock.Incident{Members: []foreshock.Member{odd(3, 0.98, 0.03, 0.11, "__name__", "node_cpu_seconds_total", "instance", "node-7", "job", "node")}},
			"node-7 cpu 14× normal (0.98) since 14:03 UTC",
		},
		{
			"two of one host",
			foreshock.Incident{Members: []foreshock.Member{
				odd(3, 9.1, 1, 3, "__name__", "node_load1", "instance", "node-7"), odd(3, 5e9, 1e9, 2e9, "__name__", "node_memory_used_bytes", "instance", "node-7"),
			}},
			"node-7 load1 4.6× normal (9.1) since 14:03 UTC; 2 series",
		},
		{
			"memory runs low",
			foreshock.Incident{Members: []foreshock.Member{odd(3, 200<<20, 3<<30, 5<<30, "__name__", "node_memory_MemAvailable_bytes", "instance", "node-7")}},
			"node-7 memory MemAvailable at 5 % of normal (200 MiB) since 14:03 UTC",
		},
		{
			"requests cease",
			foreshock.Incident{Members: []foreshock.Member{odd(3, 0, 90, 110, "__name__", "http_requests_total", "service", "cart")}},
			"cart http requests at 0/s, normally 100/s since 14:03 UTC",
		},
		{
			"hardly more than ever",
			foreshock.Incident{Members: []foreshock.Member{odd(3, 0.99, 0.9, 0.95, "__name__", "hit_ratio", "app", "cache")}},
			"cache hit at 99 %, normally 90 % to 95 % since 14:03 UTC",
		},
		{
			"nothing to multiply",
			foreshock.Incident{Members: []foreshock.Member{odd(3, 12, -2, 2, "__name__", "clock_drift_seconds", "instance", "node-7")}},
			"node-7 clock drift at 12 s, normally -2 s to 2 s since 14:03 UTC",
		},
		{
			"no band",
			foreshock.Incident{Members: []foreshock.Member{{Series: series("__name__", "queue_depth", "job", "mail"), Onset: at14(3), Value: 12345678, Band: foreshock.NoBand()}}},
			"mail queue depth at 12.3M since 14:03 UTC",
		},
		{
			"a place",
			foreshock.Incident{Members: []foreshock.Member{group(odd(3, 9, 1, 3, "__name__", "node_load1", "instance", "host-3"), 31, 412, "instance", "host-3")}},
			"host-3 load1 4.5× normal (9) since 14:03 UTC; 31 of 412 series there are unlike themselves",
		},
		{
			"one of a place",
			foreshock.Incident{Members: []foreshock.Member{group(odd(3, 9, 1, 3, "__name__", "node_load1", "instance", "host-3"), 1, 9, "instance", "host-3")}},
			"host-3 load1 4.5× normal (9) since 14:03 UTC; 1 of 9 series there is unlike itself",
		},
		{
			"none by itself",
			foreshock.Incident{Members: []foreshock.Member{group(odd(3, 9, 1, 3, "__name__", "node_load1", "instance", "host-3"), 0, 9, "instance", "host-3")}},
			"9 series on host-3 are unlike themselves together, none by itself, since 14:03 UTC",
		},
		{
			"places of a fleet",
			foreshock.Incident{Members: []foreshock.Member{
				group(odd(3, 9, 1, 3, "__name__", "node_load1", "instance", "a"), 4, 9, "instance", "a"),
				group(odd(3, 9, 1, 3, "__name__", "node_load1", "instance", "b"), 3, 9, "instance", "b"),
			}},
			"a load1 4.5× normal (9) since 14:03 UTC; 4 of 9 series there are unlike themselves; 7 series on 2 instances",
		},
		{
			"an outbreak of which not all is kept",
			foreshock.Incident{Dropped: 1900, Members: []foreshock.Member{
				odd(3, 0.004, 0.001, 0.003, "__name__", "rpc_duration_seconds_p99", "pod", "a"), odd(4, 9, 1, 3, "__name__", "x", "pod", "b"),
			}},
			"a p99 rpc duration 2× normal (4 ms) since 14:03 UTC; 1902 series in at least 2 pods",
		},
		{
			"it is over",
			foreshock.Incident{State: foreshock.Resolved, EndsAt: at14(40), Members: []foreshock.Member{latency}},
			"checkout latency 4× normal (800 ms) from 14:03 to 14:40 UTC",
		},
		{
			"since yesterday",
			foreshock.Incident{Updated: at14(3) + 30*time.Hour.Milliseconds(), Members: []foreshock.Member{latency}},
			"checkout latency 4× normal (800 ms) since 2 Mar 14:03 UTC",
		},
		{
			"a disk that fills",
			foreshock.Incident{Kind: foreshock.Breach, Members: []foreshock.Member{{
				Series: series("__name__", "node_filesystem_avail_bytes", "instance", "node-7"), Onset: at14(3), Value: 5e9, Arrival: foreshock.Arrival{ETA: 3*time.Hour + 12*time.Minute},
			}}},
			"node-7 filesystem avail at 4.66 GiB, will reach 0 B in 3h12m, since 14:03 UTC",
		},
		{
			"nowhere and nameless",
			foreshock.Incident{Members: []foreshock.Member{odd(3, 8, 1, 3, "x", "y")}},
			`{x="y"} 4× normal (8) since 14:03 UTC`,
		},
	} {
		if c.i.Rule == "slow" {
			c.i.Members[1].Rule = "slow"
		}
		if got := summary(&c.i, c.i.Lead()); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// Whoever writes labels does not write the page: no line breaks, nothing invisible, no
// end of what is meant to be one line.
func TestHostileLabelsStayInTheLine(t *testing.T) {
	for _, hostile := range []string{"a\nresolved: all is well", "a\u202etxt", "a\x1b[2J", "\xff\xfe", strings.Repeat("ä", 1<<16), strings.Repeat("\x00", 1<<16)} {
		m := odd(3, 9, 1, 3, "__name__", "m_"+hostile, "instance", hostile)
		first := odd(0, 9, 1, 3, "__name__", hostile, "pod", hostile)
		lead := group(m, 3, 9, "instance", hostile)
		lead.Rule = "r"
		for _, i := range []foreshock.Incident{
			{Rule: "r", Members: []foreshock.Member{first, lead}},
			{Members: []foreshock.Member{m}},
			{Kind: foreshock.Breach, Members: []foreshock.Member{m}},
			{Kind: foreshock.Crossing, Members: []foreshock.Member{m}},
			{Kind: foreshock.Absence, Members: []foreshock.Member{m}},
		} {
			got := summary(&i, i.Lead())
			if len(got) > 600 || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s of %.20q: %d bytes: %.300q", i.Kind, hostile, len(got), got)
			}
		}
	}
}

// What is broad, or both broad and far off, cannot wait; a rule that says how urgent it
// is knows better. The label stays as it was first told.
func TestSeverity(t *testing.T) {
	members := func(places int, peak float64) (all []foreshock.Member) {
		for k := range places {
			m := odd(3, 9, 1, 3, "__name__", "x", "pod", string(rune('a'+k)))
			m.Peak, m.Rule = peak, "cpu"
			all = append(all, m)
		}
		return all
	}
	for _, c := range []struct {
		places int
		peak   float64
		want   string
	}{{1, 8, "warning"}, {9, 2, "warning"}, {10, 2, "critical"}, {2, 5, "warning"}, {3, 4, "critical"}} {
		i := foreshock.Incident{Rule: "cpu", Members: members(c.places, c.peak)}
		if got := newComposer(Options{Rules: cpuRule(nil, nil)}).labels(&i).Get("severity"); got != c.want {
			t.Errorf("%d places, peak %g: %s, want %s", c.places, c.peak, got, c.want)
		}
		own := newComposer(Options{Rules: cpuRule(map[string]string{"severity": "page"}, nil)})
		identity := own.labels(&i)
		if said, _ := own.annotations(&i, identity); identity.Get("severity") != "page" || said.Has("severity_now") {
			t.Errorf("the rule's own severity: %s, and %s", identity, said)
		}
	}
	c := newComposer(Options{Rules: cpuRule(nil, nil)})
	i := foreshock.Incident{Rule: "cpu", Members: members(1, 2)}
	identity := c.labels(&i)
	i.Members = members(12, 2)
	if said, _ := c.annotations(&i, identity); said.Get("severity_now") != "critical" {
		t.Errorf("grown worse: %s", said)
	}
}
