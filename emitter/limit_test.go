package emitter

import (
	"testing"

	"github.com/foreshock/foreshock"
)

// A limit that is crossed says where the series is and which limit that is beyond. How
// unusual the value is has nothing to do with it.
func TestACrossingSaysWhichLimit(t *testing.T) {
	for _, c := range []struct {
		above bool
		want  string
	}{
		{true, "0.97, above its limit 0.9"},
		{false, "0.97, below its limit 0.9"},
	} {
		i := firingIncident()
		i.Kind = foreshock.Crossing
		i.Members = []foreshock.Member{{
			Series: series("__name__", "cpu", "instance", "host-3"), Rule: "cpu", Onset: i.StartsAt,
			Value: 0.97, Peak: 3, Band: foreshock.NoBand(), Limit: 0.9, Above: c.above,
		}}
		composer := newComposer(Options{Rules: cpuRule(nil, nil)})
		identity := composer.labels(&i)
		got, err := composer.annotations(&i, identity)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"summary":     "host-3 cpu is " + c.want + ", since 14:03 UTC",
			"description": `14:03:05 cpu{instance="host-3"}: ` + c.want,
			"value":       "0.97", "limit": "0.9", "score": "", "expected": "",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.Get(name), want)
			}
		}
		if name := identity.Get("alertname"); name != "ForeshockLimit" {
			t.Errorf("alertname %s, want one of its own", name)
		}
	}
}
