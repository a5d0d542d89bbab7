package detector

import (
	"math"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/rules"
)

const (
	// defaultThreshold is the raw score at which white noise, a sample a minute and a
	// day old, raises 0.052 alerts a day while 94 % of spikes of 6 σ and all shifts of
	// 2 σ are found: see the synthetic suite of foreshock eval.
	defaultThreshold = 0.12

	// ordinary is the highest exported score that is no anomaly.
	ordinary = 1 - 1e-9

	// A newborn is a series shorter than the warm-up that is judged nonetheless, by
	// its value alone: it is anomalous when it lies nine times farther from everything
	// seen than everything seen is wide, which takes forest.LeastIsolating values.
	newbornDistance = 9
)

// grading says when a score is an anomaly; all series of a detector share one.
type grading struct {
	threshold float64 // of forest.Score; above 0
	warmUp    int     // samples learned before any is scored
	newborn   bool    // judge series that are still warming up by the newborn rule
	without   Parts   // what is left out, to measure what it is worth
	ledger    *ledger // what models take counts here; nil where nobody counts
}

// verdict is the model's word on one sample.
type verdict struct {
	score   float64        // relative to the threshold, held; 0 while warming
	band    foreshock.Band // what was expected of this sample before it was seen
	warming bool
	active  bool // an anomaly is under way after this sample
	changed bool // this sample started, escalated or ended one: phase, onset, channel say which
	phase   foreshock.Phase
	onset   int64 // ms
	channel forest.Channel

	evidence evidence // for the series' group
	kind     int      // of a group: the evidence that weighed most

	raw      float64 // the model's score, before anything made it relative
	news     bool    // no warm-up, gap or earlier alert kept it from alerting,
	admitted bool    // nor did the rule
	doubt    float64 // how many times the threshold it took: see doubt

	// What explains it besides: see foreshock.Moment.
	reason            foreshock.Reason
	threshold, needed float64
	each              forest.Scores
}

// unruled is how a series is judged that no rule watches.
var unruled = rules.DefaultWatch()

// evidence is what one series says to its group, each kind from 0 to utmost: beyond that
// one member would speak for all.
type evidence [kinds]float64

const utmost = 10

// The kinds of evidence.
const (
	isolated  = iota // its score, held
	jerking          // burst.Score
	deviating        // deviation.score

	kinds

	novel = kinds // that of the group as a whole: see group.novelty
)

// admits reports whether the rule lets a deviation of x from what was expected alert:
// on the side it watches, and as large as it asks. What no band says cannot pass a
// gate that needs one. A nil rule asks what a rule does that does not say.
func admits(w *rules.Watch, b foreshock.Band, x float64) bool {
	if w == nil {
		w = &unruled
	}
	if w.Direction == rules.Both && w.MinDeviation == 0 && w.MinRelative == 0 {
		return true
	}
	dev := x - b.Expected
	switch w.Direction {
	case rules.Above:
		if !(dev > 0) {
			return false
		}
	case rules.Below:
		if !(dev < 0) {
			return false
		}
	}
	return math.Abs(dev) >= max(w.MinDeviation, w.MinRelative*math.Abs(b.Expected))
}

// sensitivity is what divides the threshold; a rule's zero means one.
func sensitivity(w *rules.Watch) float64 {
	if w == nil || w.Sensitivity == 0 {
		return 1
	}
	return w.Sensitivity
}
