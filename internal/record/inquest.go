package record

import "github.com/foreshock/foreshock"

// Inquest is what was found out about where an incident comes from; it is there once that
// was asked.
type Inquest struct {
	AsOf           Instant `json:"causesAsOf"`     // up to when samples were read
	PlacesLooked   int     `json:"placesLooked"`   // at
	PlacesUnlooked int     `json:"placesUnlooked"` // that were near, but beyond the bound
	// Causes are what it likely comes from, the likeliest first; none where nothing stands out.
	Causes []Cause `json:"causes"`
	// Changes are what was done to those places shortly before the onset or since, oldest first.
	Changes []Change `json:"changes"`
}

// Cause is a place that an incident may come from.
type Cause struct {
	Place      string `json:"place"`
	Confidence Number `json:"confidence"` // how often one that looked like this was it
	Evidence   []Clue `json:"evidence"`   // the weightiest first
}

// Clue is why a place is suspected. Before and after are the usual value of the series and
// the worst typical one since; they are null where it is no matter of one series.
type Clue struct {
	Text   string `json:"text"`
	Series string `json:"series,omitempty"`
	Before Number `json:"before"`
	After  Number `json:"after"`
}

// Change is what was done to a place, and to so many others at once.
type Change struct {
	At     Instant `json:"at"`
	What   string  `json:"what"`
	Place  string  `json:"place"`
	Others int     `json:"others"`
}

func newInquest(i *foreshock.Inquest) *Inquest {
	if i.AsOf == 0 {
		return nil
	}
	r := &Inquest{
		AsOf: Instant(i.AsOf), PlacesLooked: i.Looked, PlacesUnlooked: i.Unlooked,
		Causes: make([]Cause, len(i.Causes)), Changes: make([]Change, len(i.Changes)),
	}
	for k, c := range i.Causes {
		evidence := make([]Clue, len(c.Evidence))
		for n, e := range c.Evidence {
			evidence[n] = Clue{e.Text, e.Series, Number(e.Before), Number(e.After)}
		}
		r.Causes[k] = Cause{c.Place, Number(c.Confidence), evidence}
	}
	for k, c := range i.Changes {
		r.Changes[k] = Change{Instant(c.T), c.What, c.Place, c.Others}
	}
	return r
}
