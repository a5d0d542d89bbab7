package console

import "github.com/foreshock/foreshock/internal/record"

// About is what runs here, in JSON as it is here.
type About struct {
	Version   string         `json:"version"`
	Revision  string         `json:"revision,omitempty"`
	Go        string         `json:"go"`
	StartedAt record.Instant `json:"startedAt"`
	// Config is the configuration as it is in use, in YAML, without its secrets.
	Config string `json:"config"`
	// Window is for how long samples are kept.
	WindowSeconds float64 `json:"windowSeconds"`
}
