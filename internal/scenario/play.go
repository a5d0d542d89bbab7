package scenario

import (
	"context"
	"strings"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/flow"
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

// Play sends the scenario's samples through rooms of its own, all samples of one time
// in one batch, and returns what was reported of each.
func (s *Scenario) Play(ctx context.Context, shards int) ([]foreshock.Report, error) {
	var reports []foreshock.Report
	err := flow.Run(ctx, flow.Options{
		Rules:    s.rules,
		Detector: s.config.Detector,
		Incident: s.config.Incident,
		Shards:   shards,
		Observe:  func(o flow.Outcome) { reports = append(reports, o.Report) },
	}, flow.ByTime(s.samples, s.histograms))
	return reports, err
}

// sinceStart is a sample time as a story tells it.
func sinceStart(t int64) time.Duration { return foreshock.Time(t).Sub(start) }
