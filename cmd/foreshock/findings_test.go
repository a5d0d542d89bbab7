package main

import (
	"bytes"
	"math"
	"testing"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/record"
)

// Somebody who was woken reads, top down, where it likely comes from and why, what was done
// there, and what logs say; what a sender wrote gives the terminal no orders.
func TestFindingsAsAPersonReadsThem(t *testing.T) {
	nan := math.NaN()
	at := func(seconds int64) int64 { return 1_700_000_000_000 + seconds*1000 } // 22:13:20 UTC
	in := record.NewIncident(foreshock.Incident{
		State: foreshock.Firing, Alerting: true, StartsAt: at(0),
		Inquest: foreshock.Inquest{
			AsOf: at(300), Looked: 12, Unlooked: 3,
			Causes: []foreshock.Cause{
				{Place: "node-7:9100", Confidence: .968, Evidence: []foreshock.Clue{
					{Text: "CPU 13× usual (3.9, usually 0.3), at the onset", Series: `node_load1{instance="node-7:9100"}`, Before: .3, After: 3.9},
					{Text: "one place that depends on it suffers; 60 % of all symptoms lie at it or upstream", Before: nan, After: nan},
				}},
				{Place: "ca\x1b[2Jrt", Confidence: .12, Evidence: []foreshock.Clue{{Text: "most of its series fell silent", Before: nan, After: nan}}},
			},
			Changes: []foreshock.Change{
				{T: at(-61), Place: "ads", What: "it was rolled out anew (generation 4 → 5)", Others: 2},
				{T: at(30), Place: "cart", What: "a container was restarted"},
			},
		},
		Evidence: []foreshock.Evidence{
			{
				Source: "loki", Query: `{namespace="shop"} |= "error"`, From: at(-300), To: at(300), Total: 1300,
				By: []foreshock.Count{{Name: "cart", Lines: 1268}, {Name: "ads", Lines: 32}}, Patterns: []foreshock.Count{{Name: "order <N> not saved", Lines: 96}},
			},
			{Source: "splunk", Missing: "no answer within 10s"},
		},
	}, 10)
	var b bytes.Buffer
	writeCauses(&b, &in)
	writeEvidence(&b, &in)
	want := `
Likely causes (a guess; 12 places looked at, as of 22:18:20 UTC; 3 more were near):
  1. node-7:9100, about 97 %
       node_load1{instance="node-7:9100"}: CPU 13× usual (3.9, usually 0.3), at the onset
       one place that depends on it suffers; 60 % of all symptoms lie at it or upstream
  2. ca�[2Jrt, about 12 %
       most of its series fell silent

What was done there:
  22:12:19 UTC  1m1s before  ads and 2 more: it was rolled out anew (generation 4 → 5)
  22:13:50 UTC  +30s         cart: a container was restarted

What logs say:
  loki: 1300 lines from 22:08:20 to 22:18:20 UTC for {namespace="shop"} |= "error"
    1268  cart
      32  ads
      96  order <N> not saved
  splunk: not available: no answer within 10s
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Where nobody knows, it says why.
func TestWhyThereAreNoCauses(t *testing.T) {
	for want, i := range map[string]foreshock.Incident{
		"\nLikely causes: none stands out (one place looked at, as of 00:00:01 UTC)\n": {Alerting: true, State: foreshock.Firing, StartsAt: 500, Inquest: foreshock.Inquest{AsOf: 1000, Looked: 1}},
		"\nLikely causes: being looked for; ask again in some seconds\n":               {Alerting: true, State: foreshock.Firing},
		"\nLikely causes: none was found before it was over\n":                         {Alerting: true, State: foreshock.Resolved},
		"\nLikely causes: looked for once it fires\n":                                  {Alerting: true},
		"\nLikely causes: not looked for, since nobody is told of it\n":                {State: foreshock.Resolved},
		"\nLikely causes: not looked for, since what is foreseen has none yet\n":       {Kind: foreshock.Breach, Alerting: true, State: foreshock.Firing},
	} {
		in := record.NewIncident(i, 1)
		var b bytes.Buffer
		if writeCauses(&b, &in); b.String() != want {
			t.Errorf("got %q, want %q", b.String(), want)
		}
	}
	in := record.NewIncident(foreshock.Incident{Alerting: true, State: foreshock.Firing}, 1)
	var b bytes.Buffer
	if writeEvidence(&b, &in); b.String() != "\nWhat logs say: no source was asked (evidence.sources in the configuration)\n" {
		t.Errorf("got %q", b.String())
	}
}
