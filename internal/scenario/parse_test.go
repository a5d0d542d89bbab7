package scenario

import (
	"strings"
	"testing"
)

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"load 0s", `story:1: interval must be a positive duration, got "0s"`},
		{"load soon", `story:1: interval must be a positive duration, got "soon"`},
		{"load", "story:1: no such command: load"},
		{"# why\n\nalarms\n", "story:3: no such command: alarms"},
		{"  m 1 2", "story:1: indented, but below no command: m 1 2"},
		{"load 1m\n  m 1\n\n  m 1~x3", "story:4: samples 1~x3: must be written"},
		{"load 1m\n  m 1^2/0sx3", `story:2: samples 1^2/0sx3: period must be a positive duration, got "0s"`},
		{"load 1m\n  m 1x99999999", "story:2: samples 1x99999999: more than 10000000 in all"},
		{"load 1m\n  m 1~1x99999999999999999999", "story:2: samples 1~1x99999999999999999999: more than 10000000 in all"},
		{"load 1m\n  m 1 two", "story:2: samples two: "},
		{"load 1m\n  m{a=} 1", "story:2: series m{a=}: "},
		{"config\n  detector: {treshold: 2}", `story:2:14: detector.treshold: unknown key, did you mean "threshold"`},
		{"config\n  incident: {max_open: 0}", "story:1: incident.max_open: must be from 1"},
		{"rules\n  groups:\n    - name: g\n      rules:\n        - watch: w\n", "story:5:"},
		{"scores {", "story:1: scores: "},
		{"scores m 1h..later", "story:1: scores: 1h..later: "},
		{"incidents of today", "story:1: incidents: takes nothing but FROM..TO, got of today"},
	} {
		_, err := Parse("story", tc.text)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want %s…", tc.text, err, tc.want)
		}
	}
}

// FuzzParse: a text is understood or refused, and what is understood can be told and
// told again with the same words.
func FuzzParse(f *testing.F) {
	f.Add("# why\nload 1m\n  m{a=\"b\"} 1~.1x20 9 stale _x3 {{sum:1 count:2}}\nanomalies\nincidents\n----\nfiring\n\nscores m 1m..5m\n")
	f.Add("config\n  detector: {warm_up: 3}\nload 30s\n  m 1^2/1h~1+2~1x5\n")
	f.Fuzz(func(t *testing.T, text string) {
		story, err := Parse("story", text)
		if err != nil || len(story.samples) > 1000 {
			return
		}
		told, err := story.Retell(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		story, err = Parse("story", told)
		if err != nil {
			t.Fatalf("cannot read what was told: %v\n%s", err, told)
		}
		if again, err := story.Retell(t.Context(), 1); err != nil || again != told {
			t.Errorf("told:\n%s\nand again (%v):\n%s", told, err, again)
		}
	})
}
