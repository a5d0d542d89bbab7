package record

// Timeline is how the series of an incident went around it.
type Timeline struct {
	ID       string  `json:"id"`
	From     Instant `json:"from"`
	To       Instant `json:"to"`
	Series   []Curve `json:"series"` // by onset
	Unlisted int     `json:"unlisted"`
}

// Curve is one member of an incident and its points, oldest first.
type Curve struct {
	Member
	// Grafana is the URL of its series there, where one is known.
	Grafana string  `json:"grafana,omitempty"`
	Points  []Point `json:"points"`
}

// Point is one sample of a Curve.
type Point struct {
	At    Instant `json:"at"`
	Value Number  `json:"value"` // as scored: a rate where the series is a counter
	Band
	Score Number `json:"score"` // null where nothing was noted: below one half
}
