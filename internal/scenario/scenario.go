// Package scenario tells stories: a text says which samples come, and what the
// detector found and the correlator made of it is written beneath, to be read by a
// person and held against the next run. It is the flow without a network, on a
// virtual clock: the same text gives the same story on every machine.
//
// A scenario opens with a comment that says why someone on call would care, and is a
// list of commands. What belongs to a command is indented; # begins a comment line.
//
//	# A deploy slows two pods of one service: one incident, not two.
//	load 30s
//	  http_latency_seconds{svc="cart",pod="a"} 0.2~0.02x120 0.9x10 0.2~0.02x60
//	  http_latency_seconds{svc="cart",pod="b"} 0.2~0.02x120 0.8x10 0.2~0.02x60
//	incidents
//	----
//	firing   1h0m30s svc=cart members=2
//
// The commands:
//
//	load INTERVAL   series and their samples, one every INTERVAL from the start on
//	rules           a rule file
//	config          the blocks detector and incident of the configuration file
//	anomalies       asks for every anomaly's steps
//	incidents       asks for every incident's states
//	scores SELECTOR asks for the scores reported of the selected series
//
// A question may end in FROM..TO, counted from the start: incidents 1d.. asks for what
// happens after the first day.
//
// The answer to a question follows a line ----, up to the next blank line. All loads
// come before anything is answered, wherever they stand.
//
// How series and samples are written is package notation's to say: as for promtool,
// with noise and waves.
package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/internal/notation"
	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/rules"
)

// start is when every story starts: a midnight, so that daily waves start at 0.
var start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// answerMark is the line between a question and its answer.
const answerMark = "----"

// maxSamples bounds what a scenario may load: × 40 B = 400 MB.
const maxSamples = 10_000_000

// Scenario is a text that was understood. Create one with Parse.
type Scenario struct {
	parts      []part
	samples    []foreshock.Sample    // by time
	histograms []foreshock.Histogram // by time
	rules      *rules.Set
	config     config
}

// part is a stretch of the text up to and with a question, or up to the end.
type part struct {
	text string
	ask  func([]foreshock.Report) string // nil at the end of the text
}

// config is what a story may configure, by the names of the configuration file.
type config struct {
	Detector detector.Config `yaml:"detector"`
	Incident incident.Config `yaml:"incident"`
}

// Parse reads a scenario. name is used in errors, which begin with file:line.
func Parse(name, text string) (*Scenario, error) {
	s := &Scenario{
		rules:  &rules.Set{},
		config: config{Detector: detector.DefaultConfig(), Incident: incident.DefaultConfig()},
	}
	lines := slices.Collect(strings.Lines(text))
	told := 0 // lines that are in parts already, or are answers
	for i := 0; i < len(lines); i++ {
		command := strings.Fields(lines[i])
		if len(command) == 0 || lines[i][0] == '#' {
			continue
		}
		if !isCommand(lines[i]) {
			return nil, fmt.Errorf("%s:%d: indented, but below no command: %s", name, i+1, strings.TrimSpace(lines[i]))
		}
		ask, err := question(command)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		if ask != nil {
			s.parts = append(s.parts, part{strings.Join(lines[told:i+1], ""), ask})
			told = i + 1 + answered(lines[i+1:])
			i = told - 1
			continue
		}
		body := i + 1
		for i+1 < len(lines) && !isCommand(lines[i+1]) {
			i++
		}
		if err := s.take(name, command, body, lines[body:i+1]); err != nil {
			return nil, err
		}
	}
	s.parts = append(s.parts, part{text: strings.Join(lines[told:], "")})
	slices.SortStableFunc(s.samples, func(a, b foreshock.Sample) int { return cmp.Compare(a.T, b.T) })
	slices.SortStableFunc(s.histograms, func(a, b foreshock.Histogram) int { return cmp.Compare(a.T, b.T) })
	return s, nil
}

// isCommand reports whether a line begins something, rather than being part of it.
func isCommand(line string) bool {
	return !isBlank(line) && !strings.ContainsRune(" \t#", rune(line[0]))
}

// answered is the number of lines that answer the question before them.
func answered(lines []string) int {
	if len(lines) == 0 || strings.TrimSpace(lines[0]) != answerMark {
		return 0
	}
	if end := slices.IndexFunc(lines, isBlank); end >= 0 {
		return end
	}
	return len(lines)
}

func isBlank(line string) bool { return strings.TrimSpace(line) == "" }

// take carries out a command whose body starts after the line numbered line.
func (s *Scenario) take(name string, command []string, line int, body []string) error {
	// The body keeps its place in the file, and with it the lines that errors name.
	placed := []byte(strings.Repeat("\n", line) + strings.Join(body, ""))
	switch {
	case command[0] == "load" && len(command) == 2:
		interval, err := model.ParseDuration(command[1])
		if err != nil || interval == 0 {
			return fmt.Errorf("%s:%d: interval must be a positive duration, got %q", name, line, command[1])
		}
		for i, text := range body {
			if text = strings.TrimSpace(text); text == "" || text[0] == '#' {
				continue
			}
			if err := s.load(time.Duration(interval), text); err != nil {
				return fmt.Errorf("%s:%d: %w", name, line+i+1, err)
			}
		}
		return nil
	case command[0] == "rules" && len(command) == 1:
		set, err := rules.ParseFile(name, placed)
		if err != nil {
			return err
		}
		s.rules = set
		return nil
	case command[0] == "config" && len(command) == 1:
		if err := yamlstrict.Decode(name, placed, &s.config).Mistakes().Err(); err != nil {
			return err
		}
		if err := errors.Join(s.config.Detector.Validate(), s.config.Incident.Validate()); err != nil {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
		return nil
	}
	return fmt.Errorf("%s:%d: no such command: %s", name, line, strings.Join(command, " "))
}

// load reads one series and its samples.
func (s *Scenario) load(interval time.Duration, text string) error {
	name, samples := notation.Split(text)
	series, err := notation.Series(name)
	if err != nil {
		return err
	}
	values, err := notation.Samples(series, samples, notation.Options{
		Interval: interval, Limit: maxSamples - len(s.samples) - len(s.histograms),
	})
	if err != nil {
		return err
	}
	t := start.UnixMilli()
	for _, v := range values {
		switch {
		case v.Omitted:
		case v.Histogram != nil:
			s.histograms = append(s.histograms, foreshock.NewHistogram(series, t, v.Histogram))
		default:
			s.samples = append(s.samples, foreshock.Sample{Series: series, T: t, V: v.Value})
		}
		t += interval.Milliseconds()
	}
	return nil
}
