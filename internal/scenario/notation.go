package scenario

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
)

// number is a number without its sign.
const number = `(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?`

var (
	// termPattern: value ^swing/period ~noise +step ~noise xcount.
	termPattern = regexp.MustCompile(`^([-+]?` + number + `)` +
		`(?:\^(` + number + `)/([0-9a-wyz]+))?` +
		`(?:~(` + number + `))?` +
		`(?:([-+]` + number + `)(?:~(` + number + `))?)?` +
		`x([0-9]+)$`)
	countPattern = regexp.MustCompile(`x([0-9]+)$`)

	promql = parser.NewParser(parser.Options{})
)

// term is a run of samples with a wave or noise.
type term struct {
	value, swing    float64
	period          time.Duration
	noise           float64 // of each sample, standard deviation
	step, stepNoise float64
	further         int
}

// parseTerm reads a word that has a wave or noise.
func parseTerm(word string) (term, error) {
	m := termPattern.FindStringSubmatch(word)
	if m == nil {
		return term{}, fmt.Errorf("samples %s: must be written value^swing/period~noise+step~noisexcount", word)
	}
	var t term
	for i, into := range map[int]*float64{1: &t.value, 2: &t.swing, 4: &t.noise, 5: &t.step, 6: &t.stepNoise} {
		if m[i] == "" {
			continue
		}
		var err error
		if *into, err = strconv.ParseFloat(m[i], 64); err != nil {
			return term{}, fmt.Errorf("samples %s: %w", word, err)
		}
	}
	if m[3] != "" {
		period, err := model.ParseDuration(m[3])
		if err != nil || period == 0 {
			return term{}, fmt.Errorf("samples %s: period must be a positive duration, got %q", word, m[3])
		}
		t.period = time.Duration(period)
	}
	var err error
	t.further, err = strconv.Atoi(m[7])
	return t, err
}

// sample is the term's i-th sample, which is the n-th of its series. base is the
// value without wave and noise.
func (t term) sample(base float64, n int, interval time.Duration, r *rand.Rand) float64 {
	v := base
	if t.swing != 0 {
		v += t.swing * math.Sin(2*math.Pi*float64(n)*float64(interval)/float64(t.period))
	}
	if t.noise != 0 {
		v += t.noise * r.NormFloat64()
	}
	return v
}

// next is the value without wave and noise that follows base. Noise never turns an
// increment round: a counter stays one.
func (t term) next(base float64, r *rand.Rand) float64 {
	step := t.step
	if t.stepNoise != 0 {
		step += t.stepNoise * r.NormFloat64()
		if step*t.step < 0 {
			step = 0
		}
	}
	return base + step
}

// parseSeries reads a series and its samples, at most limit. What has no wave and no
// noise is read by Prometheus's own parser.
func parseSeries(text string, interval time.Duration, limit int) (*foreshock.Series, []parser.SequenceValue, error) {
	end := endOfSeries(text)
	ls, err := promql.ParseMetric(text[:end])
	if err != nil {
		return nil, nil, fmt.Errorf("series %s: %w", text[:end], err)
	}
	series := foreshock.NewSeries(ls.WithoutEmpty())
	r := rand.New(rand.NewPCG(series.Fingerprint, 0))
	var values []parser.SequenceValue
	var plain []string
	readPlain := func() error {
		if len(plain) == 0 {
			return nil
		}
		_, more, err := promql.ParseSeriesDesc("{} " + strings.Join(plain, " "))
		if err != nil {
			return fmt.Errorf("samples %s: %w", strings.Join(plain, " "), err)
		}
		values, plain = append(values, more...), nil
		return nil
	}
	for _, word := range strings.Fields(text[end:]) {
		if m := countPattern.FindStringSubmatch(word); m != nil {
			n, err := strconv.Atoi(m[1])
			if limit -= n; err != nil || limit < 0 {
				return nil, nil, fmt.Errorf("samples %s: a scenario has at most %d", word, maxSamples)
			}
		}
		if !strings.ContainsAny(word, "~^") {
			plain = append(plain, word)
			continue
		}
		t, err := parseTerm(word)
		if err != nil {
			return nil, nil, err
		}
		if err := readPlain(); err != nil {
			return nil, nil, err
		}
		base := t.value
		for range t.further + 1 {
			values = append(values, parser.SequenceValue{Value: t.sample(base, len(values), interval, r)})
			base = t.next(base, r)
		}
	}
	return series, values, readPlain()
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
