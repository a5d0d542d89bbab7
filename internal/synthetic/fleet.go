package synthetic

// Kind is one kind of series of a fleet, by a name that such a series would have.
type Kind struct {
	Name string
	Make Generator
}

// Fleet is one of each kind: noise of every sort, a third of it with its one event in the
// last quarter. Series i of a mixed fleet is of kind i modulo their number.
var Fleet = []Kind{
	{"load", Noise},
	{"load", Spike(6)},
	{"load", Shift(2)},
	{"traffic", Wave},
	{"traffic", MissingWave},
	{"stuck", Flatline},
	{"disk_bytes", Drift},
	{"wait_seconds", HeavyTail},
	{"temperature", Autoregressive},
	{"errors", Counts},
	{"requests_total", Counter},
	{"flaky", Gaps},
}
