package foreshock

// Evidence is what one source of logs says of the time around an incident's onset.
// It is looked up beside the flow: nothing waits for it and nothing is decided by it.
type Evidence struct {
	Source   string // its name in the configuration
	Query    string // as it was asked, in the source's own language
	From, To int64  // of what was asked for, ms
	Total    int64  // lines that match

	// By counts them by where they come from, most first; Patterns by what they say,
	// with numbers collapsed. Both hold the first few only, cut and printable.
	By, Patterns []Count

	// Missing is why there is nothing to say; "" where there is.
	Missing string
}

// Count is how many lines of a log have something in common.
type Count struct {
	Name  string
	Lines int64
}
