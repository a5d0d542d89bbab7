package emitter

import (
	"testing"

	"github.com/foreshock/foreshock"
)

// An absence says what is not heard, since when, and what goes on: never what the
// rule's author wrote about a value.
func TestAnAbsenceSaysWhatIsSilent(t *testing.T) {
	load := series("__name__", "node_load1", "instance", "host-3", "job", "node")
	up := series("__name__", "up", "instance", "host-3", "job", "node")
	for _, c := range []struct {
		of     *foreshock.Series
		silent foreshock.Silence
		want   string
	}{
		{load, foreshock.Silence{Series: 1, Siblings: 31}, "node_load1 on host-3 has not been heard since 14:03:05 UTC; 31 siblings go on"},
		{load, foreshock.Silence{Series: 1, Siblings: 1}, "node_load1 on host-3 has not been heard since 14:03:05 UTC; 1 sibling goes on"},
		{load, foreshock.Silence{Series: 7, Siblings: 31}, "node_load1 on host-3 and 6 more series have not been heard since 14:03:05 UTC; 31 siblings go on"},
		{up, foreshock.Silence{Targets: 1, Series: 534}, "host-3 (job node) has not been heard since 14:03:05 UTC: 534 series"},
		{up, foreshock.Silence{Targets: 3, Series: 1602}, "host-3 (job node) and 2 more targets have not been heard since 14:03:05 UTC: 1602 series"},
	} {
		i := firingIncident()
		i.Kind = foreshock.Absence
		i.Members = []foreshock.Member{{
			Series: c.of, Rule: "cpu", Onset: i.StartsAt, EndedAt: i.StartsAt + 60_000, Band: foreshock.NoBand(), Silence: c.silent,
		}}
		rule := cpuRule(nil, map[string]string{"summary": "too high", "description": "at {{ $value }}", "runbook_url": "https://wiki.example"})
		composer := newComposer(Options{Rules: rule})
		identity := composer.labels(&i)
		got, err := composer.annotations(&i, identity)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"summary":     c.want,
			"description": c.want + ", heard again 14:04:05",
			"runbook_url": "https://wiki.example",
			"value":       "", "score": "", "expected": "",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.Get(name), want)
			}
		}
		if name := identity.Get("alertname"); name != "ForeshockAbsence" {
			t.Errorf("alertname %s, want one of its own, or remedies against odd values would meet it", name)
		}
	}
}
