package detector

import (
	"testing"

	"github.com/foreshock/foreshock/rules"
)

// A rule that is read again is the same rule; one that says something else is not.
func TestRulesAreKnownAgainByWhatTheySay(t *testing.T) {
	read := func(text string) *rules.Set {
		r, err := rules.ParseFile("rules.yml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	const text = `
groups:
  - name: g
    rules:
      - watch: cpu
        select: cpu{mode=~"user|system"}
        data_range: [0, 1]
        budget: 1 per day
        labels: {team: a, severity: page}
        annotations: {summary: s, description: d}
      - watch: sum
        expr: sum by (job) (rate(errors_total[5m]))
      - forecast: full
        select: disk
        limit: "> 0.9"
        horizon: 4h
      - limit: hot
        select: heat
        bound: "> 90"
`
	c := DefaultConfig()
	same := judgedBy(c, read(text))
	for range 20 { // maps have an order of their own each time
		if judgedBy(c, read(text)) != same {
			t.Fatal("rules that were read again are taken for others")
		}
	}
	for was, is := range map[string]string{"[0, 1]": "[0, 2]", "1 per day": "2 per day", "user|": "idle|", "> 0.9": "> 0.8", "> 90": "< 90", "[5m]": "[6m]", "team: a": "team: b"} {
		changed := read(swapped(t, text, was, is))
		if judgedBy(c, changed) == same {
			t.Errorf("%s in place of %s is not noticed", is, was)
		}
	}
	c.Threshold *= 0.9
	if judgedBy(c, read(text)) == same {
		t.Error("another threshold is not noticed")
	}
}
