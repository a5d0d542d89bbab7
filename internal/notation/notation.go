// Package notation reads series as promtool's rule tests write them, and what those
// have no words for: noise, waves, and how long something lasts.
//
//	1 2 3               three samples
//	1x5                 1, and five more of it
//	0+10x5              0 10 20 30 40 50
//	_ _x5 stale         none, none five times, the series ends
//	{{schema:0 sum:5 count:3 buckets:[1 2]}}x5
//
// To these come terms that are joined without spaces and, as there, end in the number
// of further samples:
//
//	0.2~0.02x120        0.2 with normal noise of standard deviation 0.02
//	50^20/1d~3x2880     50, swinging by 20 once a day, with noise of 3
//	0+5~1x120           a counter that grows by 5 a sample, give or take 1, never back
//	0+5^3/1d~1x2880     one whose growth swings by 3 once a day
//	10~1+2x120          a line from 10 that climbs by 2 a sample, with noise of 1
//
// A wave or noise applies to what it follows: after the value to each sample, after
// the increment to each increment, where it adds up. Noise is drawn from the series'
// labels, so that it does not change when another series comes into the story. A wave
// is at 0 where the series begins, and always where it would be by then.
//
// Instead of a number of further samples, a time says how long the term lasts, and a
// star that it lasts as long as the story does. Two dots stand for the value before:
//
//	0+5~1x2h ..+50~5x10m ..+5~1x*
//
// is a counter that for ten minutes, after two hours, grows tenfold.
package notation

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
)

const (
	// number is a number without its sign.
	number = `(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?`

	wave  = `(?:\^(` + number + `)/([0-9a-wyz]+))?`
	noise = `(?:~(` + number + `))?`

	// goOn stands for the value before.
	goOn = ".."
)

var (
	// termPattern: value ^swing/period ~noise +step ^swing/period ~noise, without the count.
	termPattern = regexp.MustCompile(`^(\.\.|[-+]?` + number + `)` + wave + noise + `(?:([-+]` + number + `)` + wave + noise + `)?$`)

	// repeatPattern splits a word from how often it comes, or how long it lasts.
	repeatPattern = regexp.MustCompile(`^(.*)x(\*|[0-9]+|(?:[0-9]+[a-z]+)+)$`)

	promql = parser.NewParser(parser.Options{})
)

// Options say what story the series is in.
type Options struct {
	Interval time.Duration // between two samples
	// Lead is how many samples earlier the first term begins.
	Lead int
	// Length is how many samples the story has after those, for the term that ends in
	// a star; 0 where that is not known, and a star is a mistake.
	Length int
	// Limit is how many samples there may be in all.
	Limit int
}

// Series reads the name and the labels of a series.
func Series(text string) (*foreshock.Series, error) {
	ls, err := promql.ParseMetric(text)
	if err != nil {
		return nil, fmt.Errorf("series %s: %w", text, err)
	}
	return foreshock.NewSeries(ls.WithoutEmpty()), nil
}

// Split parts a series from its samples, which stand behind it.
func Split(text string) (series, samples string) {
	end := endOfSeries(text)
	return text[:end], text[end:]
}

// Samples reads the samples of the series s. What has no wave, no noise and no value
// from before is read by Prometheus's own parser.
func Samples(s *foreshock.Series, text string, o Options) ([]parser.SequenceValue, error) {
	r := reader{Options: o, rand: rand.New(rand.NewPCG(s.Fingerprint, 0))}
	words := fields(text)
	for i, word := range words {
		w, err := r.split(word)
		if err != nil {
			return nil, fmt.Errorf("samples %s: %w", word, err)
		}
		if i == 0 {
			w.count += o.Lead
		}
		if w.open && i < len(words)-1 {
			return nil, fmt.Errorf("samples %s: only the last may end in x*", word)
		}
		if w.open && o.Length == 0 {
			return nil, fmt.Errorf("samples %s: how long is not known", word)
		}
		if w.open {
			w.count = o.Lead + o.Length - len(r.values)
		}
		if len(r.values)+w.count > o.Limit {
			return nil, fmt.Errorf("samples %s: more than %d in all", word, o.Limit)
		}
		if err := r.read(w); err != nil {
			return nil, fmt.Errorf("samples %s: %w", word, err)
		}
	}
	return r.values, nil
}

// Counted is how many samples text has after the lead, but for what ends in a star.
func Counted(text string, interval time.Duration) (int, error) {
	r := reader{Options: Options{Interval: interval}}
	n := 0
	for _, word := range fields(text) {
		w, err := r.split(word)
		if err != nil {
			return 0, fmt.Errorf("samples %s: %w", word, err)
		}
		if !w.open {
			n += w.count
		}
		if n > math.MaxInt32 {
			return 0, fmt.Errorf("samples %s: too many", word)
		}
	}
	return n, nil
}

// word is a term and the number of samples it stands for.
type word struct {
	term  string
	count int
	open  bool // as long as the story: count is to come
}

type reader struct {
	Options
	rand   *rand.Rand
	values []parser.SequenceValue
	base   float64 // the last value, without wave and noise
}

// split parts a word into its term and how often that comes.
func (r *reader) split(text string) (word, error) {
	m := repeatPattern.FindStringSubmatch(text)
	if m == nil {
		if strings.ContainsAny(text, "~^") || strings.HasPrefix(text, goOn) {
			return word{}, errShape
		}
		return word{term: text, count: 1}, nil
	}
	w := word{term: m[1]}
	if m[2] == "*" {
		w.open = true
		return w, nil
	}
	n, err := strconv.Atoi(m[2])
	switch {
	case err == nil && n < math.MaxInt32:
		w.count = n
		if w.term != "_" {
			w.count++ // the first, and n further ones
		}
		return w, nil
	case err == nil || errors.Is(err, strconv.ErrRange):
		w.count = math.MaxInt32
		return w, nil
	}
	d, err := model.ParseDuration(m[2])
	if err != nil {
		return word{}, err
	}
	w.count = int(min(int64(time.Duration(d)/r.Interval), math.MaxInt32))
	if w.count == 0 {
		return word{}, fmt.Errorf("lasts less than the interval, %s", model.Duration(r.Interval))
	}
	return w, nil
}

// read appends what w stands for.
func (r *reader) read(w word) error {
	if w.count == 0 {
		return nil
	}
	if !strings.ContainsAny(w.term, "~^") && !strings.HasPrefix(w.term, goOn) {
		return r.plain(w)
	}
	t, err := parseTerm(w.term)
	if err != nil {
		return err
	}
	base := t.value
	if t.goesOn {
		base = r.next(r.base, t)
	}
	for range w.count {
		r.values = append(r.values, parser.SequenceValue{Value: r.sample(base, t)})
		r.base, base = base, r.next(base, t)
	}
	return nil
}

// plain has Prometheus read what it can.
func (r *reader) plain(w word) error {
	text := w.term
	switch {
	case w.term == "_":
		text = fmt.Sprintf("_x%d", w.count)
	case w.count > 1:
		text = fmt.Sprintf("%sx%d", w.term, w.count-1)
	}
	_, more, err := promql.ParseSeriesDesc("{} " + text)
	if err != nil {
		return err
	}
	r.values = append(r.values, more...)
	for _, v := range more {
		if !v.Omitted && v.Histogram == nil && !value.IsStaleNaN(v.Value) {
			r.base = v.Value
		}
	}
	return nil
}

// swing is a wave.
type swing struct {
	by     float64
	period time.Duration
}

// at is the wave at the n-th sample.
func (s swing) at(n int, interval time.Duration) float64 {
	if s.by == 0 {
		return 0
	}
	return s.by * math.Sin(2*math.Pi*float64(n)*float64(interval)/float64(s.period))
}

// term is a run of samples with a wave or noise.
type term struct {
	goesOn    bool // from the value before
	value     float64
	wave      swing
	noise     float64 // of each sample, standard deviation
	step      float64
	stepWave  swing
	stepNoise float64
}

var errShape = errors.New("must be written value^swing/period~noise+step^swing/period~noisexcount")

// parseTerm reads a term that has a wave, noise or a value from before.
func parseTerm(text string) (term, error) {
	m := termPattern.FindStringSubmatch(text)
	if m == nil {
		return term{}, errShape
	}
	t := term{goesOn: m[1] == goOn}
	if t.goesOn {
		m[1] = ""
	}
	for i, into := range map[int]*float64{1: &t.value, 2: &t.wave.by, 4: &t.noise, 5: &t.step, 6: &t.stepWave.by, 8: &t.stepNoise} {
		if m[i] == "" {
			continue
		}
		var err error
		if *into, err = strconv.ParseFloat(m[i], 64); err != nil {
			return term{}, err
		}
	}
	for i, into := range map[int]*time.Duration{3: &t.wave.period, 7: &t.stepWave.period} {
		if m[i] == "" {
			continue
		}
		period, err := model.ParseDuration(m[i])
		if err != nil || period == 0 {
			return term{}, fmt.Errorf("period must be a positive duration, got %q", m[i])
		}
		*into = time.Duration(period)
	}
	return t, nil
}

// sample is the next sample, whose value without wave and noise is base.
func (r *reader) sample(base float64, t term) float64 {
	v := base + t.wave.at(len(r.values), r.Interval)
	if t.noise != 0 {
		v += t.noise * r.rand.NormFloat64()
	}
	return v
}

// next is the value without wave and noise that follows base. Neither turns an
// increment round: a counter stays one.
func (r *reader) next(base float64, t term) float64 {
	step := t.step + t.stepWave.at(len(r.values), r.Interval)
	if t.stepNoise != 0 {
		step += t.stepNoise * r.rand.NormFloat64()
	}
	if step*t.step < 0 {
		step = 0
	}
	return base + step
}

// fields are the words of text; what stands in braces is one.
func fields(text string) []string {
	var words []string
	start, depth := -1, 0
	for i := range len(text) {
		space := strings.IndexByte(" \t\r\n", text[i]) >= 0 && depth == 0
		switch {
		case space && start >= 0:
			words, start = append(words, text[start:i]), -1
		case !space && start < 0:
			start = i
		}
		switch text[i] {
		case '{':
			depth++
		case '}':
			depth--
		}
	}
	if start >= 0 {
		words = append(words, text[start:])
	}
	return words
}

// endOfSeries is where the labels of a series end and its samples begin.
func endOfSeries(text string) int {
	quote, braces := byte(0), 0
	for i := range len(text) {
		switch b := text[i]; {
		case quote != 0:
			if b == quote && text[i-1] != '\\' {
				quote = 0
			}
		case b == '"' || b == '\'' || b == '`':
			quote = b
		case b == '{':
			braces++
		case b == '}':
			braces--
		case (b == ' ' || b == '\t') && braces == 0:
			return i
		}
	}
	return len(text)
}
