package scenario

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/incident"
)

// Retell plays the scenario on the given number of shards (0: one per processor) and
// returns its text with every answer as it is now.
func (s *Scenario) Retell(ctx context.Context, shards int) (string, error) {
	reports, err := s.Play(ctx, shards)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for i, p := range s.parts {
		if first, _, _ := strings.Cut(p.text, "\n"); i > 0 && !isBlank(first) {
			text.WriteByte('\n') // or it would read as a part of the answer before
		}
		text.WriteString(p.text)
		if p.ask == nil {
			break
		}
		if !strings.HasSuffix(p.text, "\n") {
			text.WriteByte('\n')
		}
		text.WriteString(answerMark + "\n" + p.ask(reports))
	}
	return text.String(), nil
}

// Play sends the scenario's samples through a detector and a correlator of its own,
// all samples of one time in one batch, and returns what they reported of each.
func (s *Scenario) Play(ctx context.Context, shards int) ([]foreshock.Report, error) {
	config := s.config.Detector
	config.QueueTimeout = model.Duration(math.MaxInt64) // nobody waits but the story
	var reports []foreshock.Report
	correlator := incident.New(s.config.Incident)
	correlator.SetRules(s.rules)
	d := detector.New(detector.Options{
		Config: config,
		Rules:  s.rules,
		Shards: shards,
		Observe: func(f foreshock.Findings) {
			reports = append(reports, foreshock.Report{Findings: f, Incidents: correlator.Observe(f)})
		},
	})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		d.Run()
	}()
	err := s.send(ctx, d)
	d.Close()
	<-finished
	return reports, err
}

// send appends the samples in the order of time.
func (s *Scenario) send(ctx context.Context, d *detector.Detector) error {
	samples, histograms := s.samples, s.histograms
	for len(samples)+len(histograms) > 0 {
		t := int64(math.MaxInt64)
		if len(samples) > 0 {
			t = samples[0].T
		}
		if len(histograms) > 0 {
			t = min(t, histograms[0].T)
		}
		n, m := 0, 0
		for n < len(samples) && samples[n].T == t {
			n++
		}
		for m < len(histograms) && histograms[m].T == t {
			m++
		}
		if err := d.Append(ctx, &foreshock.Batch{Samples: samples[:n], Histograms: histograms[:m]}); err != nil {
			return fmt.Errorf("append the samples of %s: %w", sinceStart(t), err)
		}
		samples, histograms = samples[n:], histograms[m:]
	}
	return nil
}

// sinceStart is a sample time as a story tells it.
func sinceStart(t int64) time.Duration { return foreshock.Time(t).Sub(start) }
