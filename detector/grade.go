package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
)

// grading says how scores become anomalies; all series of a detector share one.
type grading struct {
	threshold float64 // S at which an anomaly starts
	warmUp    int     // samples
	newborn   bool    // grade a series shorter than the warm-up too
}

// verdict is the model's word on one sample.
type verdict struct {
	score   float64        // S/threshold, held; 0 while warming
	band    foreshock.Band // what was expected of this sample before it was seen
	warming bool
	active  bool // an anomaly is under way after this sample
	changed bool // this sample started, escalated or ended one: phase, onset, channel say which
	phase   foreshock.Phase
	onset   int64
	channel forest.Channel
}
