package emitter

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

const (
	// lookback is how long Prometheus takes a value for current. What was not
	// refreshed for as long is over.
	lookback = int64(5 * time.Minute / time.Millisecond)

	// incidentEvery keeps a firing incident's series alive, well within lookback.
	incidentEvery = int64(time.Minute / time.Millisecond)

	// maxSelections bounds what is remembered about which rule selects which series:
	// 2^18 × ~40 B ≈ 10 MB. Beyond it all is forgotten and asked again.
	maxSelections = 1 << 18
)

// sample is one emitted value.
type sample struct {
	labels labels.Labels
	t      int64 // ms
	v      float64
	family family
}

// output is one emitted series and what it last said.
type output struct {
	labels labels.Labels
	t      int64
	v      float64
	live   bool // said something that no stale marker has taken back
}

// source is what is emitted about one series.
type source struct {
	series  *foreshock.Series
	emit    rules.Emit
	horizon time.Duration
	outputs [sourceFamilies]output
}

func (s *source) live() bool {
	return slices.ContainsFunc(s.outputs[:], func(o output) bool { return o.live })
}

// firing is what is emitted about one incident.
type firing struct {
	incident foreshock.Incident
	output   output
}

// table decides which series are emitted, under a budget that never ends one to
// make room for another, and knows what each last said. Every series is strictly
// increasing in time and ends with a stale marker. It is not safe for concurrent use.
type table struct {
	config  Config
	rules   *rules.Set
	metrics *metrics
	emitAll bool // whether any rule emits series that are not anomalous

	now       int64 // the stream's clock, ms
	sweptAt   int64
	count     int                  // of sources
	sources   map[uint64][]*source // by fingerprint, which two series may share
	incidents map[string]*firing   // by ID
	selected  map[*foreshock.Series]rules.Emit
	out       []sample // of the call under way, or the one before
}

func newTable(c Config, set *rules.Set, m *metrics) *table {
	t := &table{metrics: m, sources: map[uint64][]*source{}, incidents: map[string]*firing{}}
	t.apply(c, set)
	return t
}

// apply changes the configuration and the rules. Other names end all series, which
// begin again under the new ones.
func (t *table) apply(c Config, set *rules.Set) []sample {
	t.out = t.out[:0]
	if t.config.Names != c.Names {
		t.endAll()
		for _, i := range t.incidents {
			i.output = output{labels: c.Names.incidentLabels(&i.incident), t: i.output.t}
		}
	}
	if set == nil {
		set = &rules.Set{}
	}
	t.config, t.rules = c, set
	t.selected = map[*foreshock.Series]rules.Emit{}
	t.emitAll = slices.ContainsFunc(set.Watches, func(w *rules.Watch) bool { return w.Emit == rules.EmitAll })
	for _, chain := range t.sources {
		for _, src := range chain {
			src.emit = t.selection(src.series)
		}
	}
	return t.out
}

// observe takes in what r says and returns the samples to emit for it, which are
// the caller's until the next call. now is the wall clock, ms: a sample from the
// future must not age all others.
func (t *table) observe(r foreshock.Report, now int64) []sample {
	t.out = t.out[:0]
	t.now = max(t.now, min(r.Now, now))
	for _, s := range r.Scores {
		t.score(s)
	}
	for _, f := range r.Forecasts {
		t.forecast(f)
	}
	for _, s := range r.Scalings {
		t.scaling(s)
	}
	for _, s := range r.Ended {
		if src := t.find(s); src != nil {
			t.endScores(src)
		}
	}
	for _, s := range r.Gone {
		delete(t.selected, s)
		if src := t.find(s); src != nil {
			t.end(src, sourceFamilies-1)
		}
	}
	for i := range r.Incidents {
		t.incident(&r.Incidents[i])
	}
	t.refreshIncidents()
	t.sweep()
	return t.out
}

// close ends every series and returns the stale markers.
func (t *table) close() []sample {
	t.out = t.out[:0]
	t.endAll()
	return t.out
}

// markers are the stale markers of every live series, none of which ends here: they
// are for a destination that hears no more of them.
func (t *table) markers() []sample {
	t.out = t.out[:0]
	for _, src := range t.sorted(func(*source) bool { return true }) {
		for f, o := range src.outputs {
			t.stale(&o, family(f), o.t+1) // of the copy
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.incidents)) {
		o := t.incidents[id].output
		t.stale(&o, incidentFamily, o.t+1)
	}
	return t.out
}

func (t *table) score(s foreshock.Score) {
	anomalous := s.Score > 1
	src := t.find(s.Series)
	if src == nil {
		if !anomalous && !t.emitAll {
			return // most series, most of the time
		}
		emit := t.selection(s.Series)
		if emit == rules.EmitNone || emit == rules.EmitAnomalous && !anomalous {
			return
		}
		if src = t.add(s.Series, emit); src == nil {
			return
		}
	}
	if src.emit == rules.EmitNone {
		t.endScores(src)
		return
	}
	// The way back to normal is shown for as long as the detector tells of it. One that
	// was here for its forecast alone begins with an anomaly.
	score := t.config.Names.scoreOf(s.Series)
	if src.emit == rules.EmitAnomalous && !anomalous && !src.outputs[score].live {
		return
	}
	t.set(src, score, s.T, s.Score)
	t.set(src, expectedFamily, s.T, s.Band.Expected)
	t.set(src, expectedLowerFamily, s.T, s.Band.Lower)
	t.set(src, expectedUpperFamily, s.T, s.Band.Upper)
}

func (t *table) forecast(f foreshock.Forecast) {
	src := t.find(f.Series)
	if src == nil {
		if src = t.add(f.Series, t.selection(f.Series)); src == nil {
			return
		}
	}
	if src.horizon != f.Horizon {
		for k := forecastFamily; k <= forecastUpperFamily; k++ {
			t.stale(&src.outputs[k], k, f.T)
			src.outputs[k] = output{}
		}
		src.horizon = f.Horizon
	}
	t.set(src, forecastFamily, f.T, f.Band.Expected)
	t.set(src, forecastLowerFamily, f.T, f.Band.Lower)
	t.set(src, forecastUpperFamily, f.T, f.Band.Upper)
	eta := math.NaN()
	if f.ETA >= 0 {
		eta = f.ETA.Seconds()
	}
	t.set(src, timeToThresholdFamily, f.T, eta)
	t.removeSilent(src)
}

func (t *table) scaling(s foreshock.Scaling) {
	src := t.find(s.Series)
	if src == nil {
		if src = t.add(s.Series, t.selection(s.Series)); src == nil {
			return
		}
	}
	t.set(src, forecastScaleFamily, s.T, s.Value)
	t.set(src, forecastErrorFamily, s.T, s.Error)
}

// set lets the source's series in f say v at time at. NaN is not a word: it ends a
// series that had one to say.
func (t *table) set(src *source, f family, at int64, v float64) {
	o := &src.outputs[f]
	switch {
	case math.IsNaN(v):
		t.stale(o, f, at)
		return
	case o.labels.IsEmpty():
		o.labels = t.config.Names.sourceLabels(f, src.series.Labels, src.horizon)
	}
	t.say(o, f, at, v)
}

func (t *table) say(o *output, f family, at int64, v float64) {
	if at <= o.t {
		t.metrics.late.Inc()
		return
	}
	o.t, o.v, o.live = at, v, true
	t.out = append(t.out, sample{labels: o.labels, t: at, v: v, family: f})
}

// stale ends an output; a second time does nothing.
func (t *table) stale(o *output, f family, at int64) {
	if !o.live {
		return
	}
	o.t, o.live = max(at, o.t+1), false
	t.out = append(t.out, sample{labels: o.labels, t: o.t, v: math.Float64frombits(value.StaleNaN), family: f})
}

// selection asks the rules whether s is emitted. A series no rule selects is, while
// it is anomalous.
func (t *table) selection(s *foreshock.Series) rules.Emit {
	emit, known := t.selected[s]
	if !known {
		w := t.rules.Watch(s.Labels)
		if s.IsGroup() {
			w = t.rules.Named(s.Labels.Get(foreshock.RuleLabel))
		}
		if w != nil {
			emit = w.Emit
		}
		if len(t.selected) >= maxSelections {
			clear(t.selected)
		}
		t.selected[s] = emit
	}
	return emit
}

func (t *table) find(s *foreshock.Series) *source {
	for _, src := range t.sources[s.Fingerprint] {
		if src.series.Equal(s) {
			return src
		}
	}
	return nil
}

// add returns a new source, or nil when the budget is spent.
func (t *table) add(s *foreshock.Series, emit rules.Emit) *source {
	if t.count >= t.config.MaxSeries {
		t.metrics.refused.Inc()
		return nil
	}
	src := &source{series: s, emit: emit}
	t.sources[s.Fingerprint] = append(t.sources[s.Fingerprint], src)
	t.count++
	t.metrics.sources.Set(float64(t.count))
	return src
}

// end ends the series of a source up to the family last, and gives its place free
// when none is left. The markers follow the source's own last words, not the stream's
// clock: its next sample may be behind that, while a shard lags.
func (t *table) end(src *source, last family) {
	for f := range last + 1 {
		o := &src.outputs[f]
		t.stale(o, f, o.t+1)
	}
	t.removeSilent(src)
}

// endScores ends what a source says of its scores; a group has nothing else to say.
func (t *table) endScores(src *source) {
	last := expectedUpperFamily
	if src.series.IsGroup() {
		last = groupScoreFamily
	}
	t.end(src, last)
}

func (t *table) removeSilent(src *source) {
	if src.live() {
		return
	}
	fp := src.series.Fingerprint
	chain := slices.DeleteFunc(t.sources[fp], func(o *source) bool { return o == src })
	if len(chain) == 0 {
		delete(t.sources, fp)
	} else {
		t.sources[fp] = chain
	}
	t.count--
	t.metrics.sources.Set(float64(t.count))
}

// incident begins, goes on with or ends an incident's series. A pending one has
// none: it may yet come to nothing.
func (t *table) incident(i *foreshock.Incident) {
	known := t.incidents[i.ID]
	switch {
	case i.State == foreshock.Firing && known == nil:
		if len(t.incidents) >= t.config.MaxSeries {
			t.metrics.refused.Inc()
			return
		}
		t.incidents[i.ID] = &firing{incident: *i, output: output{labels: t.config.Names.incidentLabels(i)}}
	case i.State == foreshock.Resolved && known != nil:
		t.stale(&known.output, incidentFamily, t.now)
		delete(t.incidents, i.ID)
	}
}

func (t *table) refreshIncidents() {
	for _, id := range slices.Sorted(maps.Keys(t.incidents)) {
		if o := &t.incidents[id].output; !o.live || t.now-o.t >= incidentEvery {
			t.say(o, incidentFamily, t.now, 1)
		}
	}
}

// sweep ends what was not refreshed within lookback, so that a lost end neither
// holds a place in the budget nor shows an old value.
func (t *table) sweep() {
	if t.now-t.sweptAt < lookback/10 {
		return
	}
	t.sweptAt = t.now
	idle := func(s *source) bool { return !s.live() || slices.ContainsFunc(s.outputs[:], t.old) }
	for _, src := range t.sorted(idle) {
		for f := range src.outputs {
			if o := &src.outputs[f]; t.old(*o) {
				t.stale(o, family(f), o.t+1)
			}
		}
		t.removeSilent(src)
	}
}

func (t *table) old(o output) bool { return o.live && t.now-o.t > lookback }

// endAll ends all series. The incidents stay known.
func (t *table) endAll() {
	for _, src := range t.sorted(func(*source) bool { return true }) {
		t.end(src, sourceFamilies-1)
	}
	for _, id := range slices.Sorted(maps.Keys(t.incidents)) {
		t.stale(&t.incidents[id].output, incidentFamily, t.now)
	}
}

// sorted are the sources that keep says, by labels: the order of a map must not
// show outside.
func (t *table) sorted(keep func(*source) bool) []*source {
	var kept []*source
	for _, chain := range t.sources {
		for _, src := range chain {
			if keep(src) {
				kept = append(kept, src)
			}
		}
	}
	slices.SortFunc(kept, func(a, b *source) int { return labels.Compare(a.series.Labels, b.series.Labels) })
	return kept
}
