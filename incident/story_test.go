package incident

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

var update = flag.Bool("update", false, "rewrite what the stories in testdata expect")

// TestStories runs testdata/*.txt. A story has optional configuration, then a line
// per anomaly, whose time is that of its phase:
//
//	config fire_after: 1m
//	rules {name: g, rules: [{watch: hot, select: cpu, for: 1m}]}
//	30s started cpu{instance="a"} rule=hot onset=20s score=2 eta=2h
//	30s started cpu{instance="a"} rule=full beyond=9
//	30s started cpu{instance="b"} group=foreshock_group{instance="b",rule="hot"}
//	30s started foreshock_group{instance="b",rule="hot"} rule=hot shared={instance="b"} odd=1/9
//	40s ended cpu{instance="a"} lost
//	1m  link frontend cart
//	1m  host cart node-1
//	2m  tick
//
// Lines of one time are one Findings. What was told follows the ----.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			story, want, _ := strings.Cut(string(content), "----\n")
			got := tellStory(t, story)
			if *update {
				if err := os.WriteFile(file, []byte(story+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("%s:\n%s\nwant:\n%s", file, got, want)
			}
		})
	}
}

func tellStory(t *testing.T, story string) string {
	t.Helper()
	config := DefaultConfig()
	var set *rules.Set
	var steps []foreshock.Findings
	for line := range strings.Lines(story) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if text, ok := strings.CutPrefix(line, "config "); ok {
			if err := yaml.Unmarshal([]byte(text), &config); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			continue
		}
		if text, ok := strings.CutPrefix(line, "rules "); ok {
			var err error
			if set, err = rules.ParseFile("rules", []byte("groups: ["+text+"]")); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			continue
		}
		now, rest, _ := strings.Cut(line, " ")
		at := parseTime(t, now)
		if len(steps) == 0 || steps[len(steps)-1].Now != at {
			steps = append(steps, foreshock.Findings{Now: at})
		}
		step := &steps[len(steps)-1]
		switch words := strings.Fields(rest); words[0] {
		case "tick":
		case "link", "host":
			step.Links = append(step.Links, foreshock.Link{From: words[1], To: words[2], Mutual: words[0] == "host"})
		default:
			step.Anomalies = append(step.Anomalies, parseAnomaly(t, at, rest))
		}
	}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	c := New(config)
	c.SetRules(set)
	var out strings.Builder
	for _, step := range steps {
		for _, in := range c.Observe(step) {
			writeIncident(&out, step.Now, in)
		}
		checkOpen(t, c)
	}
	if n := c.Refused(); n > 0 {
		fmt.Fprintf(&out, "refused %d\n", n)
	}
	return out.String()
}

func parseTime(t *testing.T, s string) int64 {
	t.Helper()
	d, err := model.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(d).Milliseconds()
}

// parseAnomaly reads `started cpu{instance="a"} rule=hot …`; a series has no spaces.
func parseAnomaly(t *testing.T, at int64, s string) foreshock.Anomaly {
	t.Helper()
	words := strings.Fields(s)
	ls, err := parser.NewParser(parser.Options{}).ParseMetric(words[1])
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	a := foreshock.Anomaly{Series: foreshock.NewSeries(ls), T: at, Onset: at, Score: 1}
	phases := map[string]foreshock.Phase{"started": foreshock.Started, "escalated": foreshock.Escalated, "ended": foreshock.Ended}
	phase, ok := phases[words[0]]
	if !ok {
		t.Fatalf("%s: no such phase", s)
	}
	a.Phase = phase
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "rule":
			a.Rule = value
		case "onset":
			a.Onset = parseTime(t, value)
		case "score":
			_, err = fmt.Sscan(value, &a.Score)
		case "group":
			var group labels.Labels
			group, err = parser.NewParser(parser.Options{}).ParseMetric(value)
			a.Group = foreshock.NewSeries(group)
		case "shared":
			a.Shared, err = parser.NewParser(parser.Options{}).ParseMetric(value)
		case "odd":
			_, err = fmt.Sscanf(value, "%d/%d", &a.Odd, &a.Of)
		case "lost":
			a.Lost = true
		case "interval":
			a.Interval = time.Duration(parseTime(t, value)) * time.Millisecond
		case "beyond":
			a.Kind, a.Above = foreshock.Crossing, true
			_, err = fmt.Sscan(value, &a.Limit)
		case "eta":
			a.Kind, a.ETA = foreshock.Breach, time.Duration(parseTime(t, value))*time.Millisecond
		default:
			err = fmt.Errorf("no such word %q", key)
		}
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return a
}

func writeIncident(out *strings.Builder, now int64, in foreshock.Incident) {
	fmt.Fprintf(out, "%s %s %s %s since=%s", ms(now), in.Kind, in.State, in.Labels, ms(in.StartsAt))
	if in.State == foreshock.Resolved {
		fmt.Fprintf(out, " until=%s", ms(in.EndsAt))
	}
	if in.Alerting {
		fmt.Fprintf(out, " rule=%s", in.Rule)
	}
	if in.Dropped > 0 {
		fmt.Fprintf(out, " dropped=%d", in.Dropped)
	}
	out.WriteByte('\n')
	for _, m := range in.Members {
		fmt.Fprintf(out, "    %s onset=%s peak=%g", m.Series, ms(m.Onset), m.Peak)
		if m.EndedAt != 0 {
			fmt.Fprintf(out, " ended=%s", ms(m.EndedAt))
		}
		if m.Of != 0 {
			fmt.Fprintf(out, " odd=%d/%d", m.Odd, m.Of)
		}
		if m.Above {
			fmt.Fprintf(out, " beyond=%g", m.Limit)
		}
		if m.ETA != 0 {
			fmt.Fprintf(out, " eta=%s", m.ETA)
		}
		if m.Rule != "" {
			fmt.Fprintf(out, " rule=%s", m.Rule)
		}
		out.WriteByte('\n')
	}
}

func ms(t int64) time.Duration { return time.Duration(t) * time.Millisecond }
