package foreshock

import "time"

// Remedy is what was done about an incident. Nothing in the flow is decided by it.
type Remedy struct {
	Rule, Action string
	Target       string // one of the action's configured targets, "" where it has none
	At           int64  // when it began, by the wall clock, ms
	// Outcome is recovered, not recovered or cannot tell; "" while that is open or nobody
	// looks.
	Outcome string
	Text    string // what became of it, to read: "recovered 40 s after exec"
}

// Trouble is a remedy that a person must look after: it failed, or did not help, or nobody
// can tell. It is the wall clock's.
type Trouble struct {
	Rule, Action, Target string
	Incident             string // its ID; "" where the alert was none of Foreshock's
	Since                time.Time
	Text                 string // what happened, to read
}
