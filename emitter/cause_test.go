package emitter

import (
	"strings"
	"testing"

	"github.com/foreshock/foreshock"
)

// Whatever is known, nobody is told that it is certain.
func TestLikely(t *testing.T) {
	for _, c := range []struct {
		causes []foreshock.Cause
		want   string
	}{
		{nil, ""},
		{
			[]foreshock.Cause{{Place: "database", Confidence: .97, Evidence: []string{"CPU 4× usual", "restarted"}}, {Place: "cache", Confidence: .2, Evidence: []string{"not told"}}, {Place: "ads", Confidence: .04, Evidence: nil}, {Place: "mail", Confidence: .03, Evidence: nil}},
			"likely database (about 90 %): CPU 4× usual; restarted\nor cache (about 20 %)\nor ads (below 10 %)",
		},
		{[]foreshock.Cause{{Place: "database", Confidence: .3, Evidence: nil}}, "perhaps database (about 30 %)"},
		{[]foreshock.Cause{{Place: strings.Repeat("x", 300), Confidence: .5, Evidence: nil}}, "likely " + strings.Repeat("x", maxSeriesText) + "… (about 50 %)"},
	} {
		if got := likely(c.causes); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
