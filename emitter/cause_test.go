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
			[]foreshock.Cause{{Place: "database", Confidence: .97, Evidence: []foreshock.Clue{{Series: "cpu", Text: "4× usual"}, {Text: "restarted"}}}, {Place: "cache", Confidence: .2, Evidence: []foreshock.Clue{{Text: "not told"}}}, {Place: "ads", Confidence: .04, Evidence: nil}, {Place: "mail", Confidence: .03, Evidence: nil}},
			"likely database (about 97 %): cpu: 4× usual; restarted\nor cache (about 20 %)\nor ads (about 4 %)",
		},
		{[]foreshock.Cause{{Place: "database", Confidence: .3, Evidence: nil}}, "perhaps database (about 30 %)"},
		{[]foreshock.Cause{{Place: strings.Repeat("x", 300), Confidence: .5, Evidence: nil}}, "likely " + strings.Repeat("x", maxSeriesText) + "… (about 50 %)"},
	} {
		if got := likely(c.causes); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestChangesAreToldTheLatestLast(t *testing.T) {
	i := foreshock.Incident{Inquest: foreshock.Inquest{Changes: []foreshock.Change{
		{T: 1000, What: "not told", Place: "old"},
		{T: 2000, What: "it was scaled from 3 to 5", Place: "ads", Others: 4},
		{T: 3000, What: "a container was restarted", Place: "cart"},
		{T: 4000, What: strings.Repeat("x", 300), Place: "cart"},
	}}}
	want := "00:00:02 UTC ads and 4 more: it was scaled from 3 to 5\n00:00:03 UTC cart: a container was restarted\n00:00:04 UTC cart: " + strings.Repeat("x", maxSeriesText-6) + "…"
	if got := changesText(&i); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
