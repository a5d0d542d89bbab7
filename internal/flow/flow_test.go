package flow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/emitter"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// queue is two hours of a queue's length every 15 s, which is 10 or so and 90 for the
// ten minutes after an hour and a half.
func queue() iter.Seq2[*foreshock.Batch, error] {
	s := foreshock.NewSeries(labels.FromStrings("__name__", "queue_length", "instance", "a"))
	r := rand.New(rand.NewPCG(1, 0))
	var batch foreshock.Batch // one for all: it may be changed once the next is asked for
	return func(yield func(*foreshock.Batch, error) bool) {
		for t := time.Duration(0); t < 2*time.Hour; t += 15 * time.Second {
			v := 10 + r.NormFloat64()
			if t >= 90*time.Minute && t < 100*time.Minute {
				v += 80
			}
			batch.Samples = append(batch.Samples[:0], foreshock.Sample{Series: s, T: start.Add(t).UnixMilli(), V: v})
			if !yield(&batch, nil) {
				return
			}
		}
	}
}

func options(t *testing.T, observe func(Outcome)) Options {
	t.Helper()
	set, err := rules.ParseFile("test", []byte(`
groups:
  - name: g
    rules:
      - watch: long_queue
        select: queue_length
        labels: {severity: page}
        annotations: {runbook: 'see {{ $labels.instance }}'}
      - remedy: drain
        match: '{rule="long_queue"}'
        action: drain
        target: instance
`))
	if err != nil {
		t.Fatal(err)
	}
	hook := remediation.DefaultWebhookConfig()
	hook.URL = promconfig.Secret("http://127.0.0.1:1/never-called")
	c := remediation.DefaultConfig()
	c.Actions = []remediation.ActionConfig{{Name: "drain", Targets: []string{"a"}, Webhook: &hook}}
	return Options{
		Rules: set, Detector: detector.DefaultConfig(), Incident: incident.DefaultConfig(),
		Emitter:     emitter.Options{ExternalLabels: labels.FromStrings("cluster", "eu-1")},
		Remediation: &c, Observe: observe,
	}
}

// TestOneFaultOneAlertOneRemedy, told with the words of the live process.
func TestOneFaultOneAlertOneRemedy(t *testing.T) {
	var told []string
	outcomes := 0
	err := Run(t.Context(), options(t, func(o Outcome) {
		outcomes++
		for i, a := range o.Alerts {
			line := fmt.Sprintf("%s %s %s", a.State, a.Labels, a.Annotations.Get("runbook"))
			for _, r := range o.Remedies {
				if r.Alert == i {
					line += fmt.Sprintf(", %s runs %s on %s%s", r.Rule, r.Action, r.Target, r.Refused)
				}
			}
			told = append(told, line)
			if at := foreshock.Time(a.StartsAt).Sub(start).Round(time.Minute); at != 90*time.Minute {
				t.Errorf("began after %s", at)
			}
		}
	}), queue())
	if err != nil {
		t.Fatal(err)
	}
	if outcomes != 480 {
		t.Errorf("%d outcomes of 480 batches", outcomes)
	}
	const identity = `{alertname="ForeshockIncident", cluster="eu-1", instance="a", rule="long_queue", severity="page"}`
	want := "firing " + identity + " see a, drain runs drain on a\nresolved " + identity + " see a"
	if got := strings.Join(told, "\n"); got != want {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
}

// TestErrorsEndTheRun: those of the stream and of the configuration, and a context that
// ends. What was appended before is observed.
func TestErrorsEndTheRun(t *testing.T) {
	broken := errors.New("the disk is gone")
	outcomes := 0
	err := Run(t.Context(), options(t, func(Outcome) { outcomes++ }), func(yield func(*foreshock.Batch, error) bool) {
		for b := range queue() {
			if yield(b, nil) && yield(nil, broken) {
				t.Error("asked for more after an error")
			}
			return
		}
	})
	if !errors.Is(err, broken) || outcomes != 1 {
		t.Errorf("%v after %d outcomes, want the stream's error after 1", err, outcomes)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("seen enough")
	outcomes = 0
	err = Run(ctx, options(t, func(Outcome) {
		if outcomes++; outcomes == 1 {
			cancel(enough)
		}
	}), func(yield func(*foreshock.Batch, error) bool) {
		for { // for ever
			for b := range queue() {
				if !yield(b, nil) {
					return
				}
			}
		}
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v, want the context's cause", err)
	}

	o := options(t, func(Outcome) {})
	o.Remediation.Actions = nil
	if err := Run(t.Context(), o, queue()); err == nil || !strings.Contains(err.Error(), "remediation.actions") {
		t.Errorf("%v, want what the remedy lacks", err)
	}
}
