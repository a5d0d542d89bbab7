package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/foreshock/foreshock/internal/stack"
)

// The parts of each program's API that the story looks at.

// promValue is the largest value a PromQL expression has now, and whether it has any.
func (s *story) promValue(ctx context.Context, expr string) (float64, bool, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any
			}
		}
	}
	if err := get(ctx, s.stack.URL(9090, "/api/v1/query?query="+url.QueryEscape(expr)), &answer); err != nil {
		return 0, false, err
	}
	best, found := 0.0, false
	for _, r := range answer.Data.Result {
		text, _ := r.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, false, fmt.Errorf("read %s: %w", expr, err)
		}
		if !found || v > best {
			best, found = v, true
		}
	}
	return best, found, nil
}

type alert struct {
	Labels      map[string]string
	Annotations map[string]string
	Status      struct{ State string }
}

// alerts are Alertmanager's active alerts that this demo's rule caused.
func (s *story) alerts(ctx context.Context) (found []alert, err error) {
	err = get(ctx, s.stack.URL(9093, "/api/v2/alerts?active=true&filter="+url.QueryEscape(`rule="cpu_busy"`)), &found)
	return found, err
}

type shownIncident struct {
	ID, State, Rule string
	Causes          []shownCause
}

type shownCause struct {
	Place      string
	Confidence float64
	Evidence   []struct{ Series, Text string }
}

// incidents are Foreshock's incidents that this demo's rule caused, newest first.
func (s *story) incidents(ctx context.Context) ([]shownIncident, error) {
	var answer struct{ Data []shownIncident }
	if err := get(ctx, s.stack.URL(9797, "/api/v1/incidents"), &answer); err != nil {
		return nil, err
	}
	var ours []shownIncident
	for _, i := range answer.Data {
		if i.Rule == "cpu_busy" {
			ours = append(ours, i)
		}
	}
	return ours, nil
}

type shownSeries struct {
	Warming bool
	Samples []json.RawMessage
}

// cpuSeries are the series the burn will show in.
func (s *story) cpuSeries(ctx context.Context) ([]shownSeries, error) {
	var answer struct{ Data []shownSeries }
	match := url.QueryEscape(`node_cpu_seconds_total{mode="user"}`)
	err := get(ctx, s.stack.URL(9797, "/api/v1/windows?match[]="+match), &answer)
	return answer.Data, err
}

type shownRemediation struct {
	State, Reason, Output string
	Plan                  struct{ Action string }
}

// remediations are what Foreshock did or would do, newest first.
func (s *story) remediations(ctx context.Context) ([]shownRemediation, error) {
	var answer struct{ Data []shownRemediation }
	body, err := stack.FetchAs(ctx, s.stack.URL(9797, "/api/v1/remediations"), s.token)
	if err != nil {
		return nil, err
	}
	err = decode(body, &answer)
	return answer.Data, err
}

// webhooks is how many notifications Alertmanager says it delivered by webhook, and
// how many it could not.
func (s *story) webhooks(ctx context.Context) (delivered, failed float64, err error) {
	url, byWebhook := s.stack.URL(9093, "/metrics"), map[string]string{"integration": "webhook"}
	all, err := stack.Metric(ctx, url, "alertmanager_notifications_total", byWebhook)
	if err != nil {
		return 0, 0, err
	}
	failed, err = stack.Metric(ctx, url, "alertmanager_notifications_failed_total", byWebhook)
	return all - failed, failed, err
}

func get(ctx context.Context, url string, into any) error {
	body, err := stack.Fetch(ctx, url)
	if err != nil {
		return err
	}
	return decode(body, into)
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read %.100q: %w", body, err)
	}
	return nil
}
