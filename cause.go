package foreshock

import "fmt"

// Inquest is what was found out about where an incident comes from. It is held beside the
// flow: nothing waits for it and nothing is decided by it, and nobody can be certain of it.
type Inquest struct {
	// AsOf is up to when samples were read, ms; 0 where none was held by now.
	AsOf int64
	// Looked is at how many places, and Unlooked how many more were near, beyond the bound.
	Looked, Unlooked int
	// Causes are what it likely comes from, the likeliest first: five at most.
	Causes []Cause
	// Changes are what was done to those places shortly before, or since: twenty at most,
	// oldest first.
	Changes []Change
}

// Cause is a place that an incident may come from.
type Cause struct {
	Place      string
	Confidence float64 // how often one that looked like this was it, 0–1
	Evidence   []Clue  // why it is suspected, the weightiest first: five at most
}

// Likelihood is the confidence as people read it.
func (c Cause) Likelihood() string { return fmt.Sprintf("about %.0f %%", 100*c.Confidence) }

// Clue is why a place is suspected, in words and in numbers.
type Clue struct {
	Text          string
	Series        string  // whose; "" where it is no matter of one
	Before, After float64 // its usual value, and the worst typical one since; NaN where there is no Series
}

// String is the clue in one line.
func (c Clue) String() string {
	if c.Series == "" {
		return c.Text
	}
	return c.Series + ": " + c.Text
}

// Change is what somebody did to a place, or what happened to it at one moment.
type Change struct {
	T      int64 // ms
	What   string
	Place  string // the first of those it was done to
	Others int    // places to which the same was done at the same time
}

// String is the change in one line, without its time.
func (c Change) String() string {
	if c.Others > 0 {
		return fmt.Sprintf("%s and %d more: %s", c.Place, c.Others, c.What)
	}
	return c.Place + ": " + c.What
}
