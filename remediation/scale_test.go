package remediation

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// Whatever is foreseen, as many as are asked for are within the bounds of the action, and
// none are where it is not to be believed.
func TestScalesWithinBoundsOrNotAtAll(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := &ScaleConfig{Per: 100, Min: 2, Max: 20, MaxError: 0.8}
	for _, tc := range []struct {
		value, err float64
		age        time.Duration
		want       string // the value, or why not
	}{
		{450, 0.5, 0, "5"},
		{500, 0.8, 4 * time.Minute, "5"},
		{0, 0.5, 0, "2"},
		{-1e300, 0.5, 0, "2"},
		{1e300, 0.5, 0, "20"},
		{math.Inf(1), 0.5, 0, "20"},
		{math.NaN(), 0.5, 0, "what is foreseen is no number"},
		{450, math.NaN(), 0, "it is not known yet how far off forecasts are"},
		{450, 0.81, 0, "forecasts were off 0.81 times as far as the present value is, above max_error 0.8"},
		{450, math.Inf(1), 0, "forecasts were off +Inf times as far as the present value is, above max_error 0.8"},
		{450, 0.5, 6 * time.Minute, "the latest forecast is of 2026-01-01T11:54:00Z"},
		{450, 0.5, -6 * time.Minute, "the latest forecast is of 2026-01-01T12:06:00Z"},
	} {
		got, err := c.value(Demand{Value: tc.value, Error: tc.err, At: now.Add(-tc.age)}, now)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

// A forecast that was believed when the plan was made, and is not when its turn comes, does
// nothing any more; and what a person approved of is what is done.
func TestScalesByWhatWasApproved(t *testing.T) {
	w := newWorld(t, Approve)
	w.stop()
	demand := Demand{Value: 450, Error: 0.5}
	var unknown error
	w.o.Demand = func(incident string) (Demand, error) {
		demand.At = w.now()
		return demand, unknown
	}
	w.o.Config.Actions[0].Scale = &ScaleConfig{Per: 100, Min: 1, Max: 20, MaxError: 1}
	w.start()
	plan := func(pod string) entry {
		a := w.an(pod)
		a.Annotations.Incident = "0123456789ab"
		demand, unknown = Demand{Value: 450, Error: 0.5}, nil
		w.deliver(a)
		e := w.become(stateWaiting)
		if e.Plan.Value != "5" {
			t.Errorf("planned to scale to %q", e.Plan.Value)
		}
		return e
	}

	e := plan("a")
	demand.Value = 1800 // more is foreseen meanwhile: that is not what was approved
	w.decide(e, "approve", e.Hash)
	if e := w.become(stateSucceeded); e.Plan.Value != "5" {
		t.Errorf("scaled to %q", e.Plan.Value)
	}
	w.called(1)

	e = plan("b")
	demand.Error = 1.5
	w.decide(e, "approve", e.Hash)
	w.become(stateRefused)

	e = plan("c")
	unknown = errors.New("the alert is of 2 series")
	w.decide(e, "approve", e.Hash)
	w.refusedBecause("the alert is of 2 series")

	e = plan("d")
	w.o.Config.Actions[0].Scale = &ScaleConfig{Per: 100, Min: 1, Max: 4, MaxError: 1}
	w.reload(w.o)
	w.decide(e, "approve", e.Hash)
	w.refusedBecause(`"5" is not within the action's bounds`)

	unknown = nil
	w.deliver(w.an("e")) // of no incident
	w.refusedBecause("the alert is of no incident of Foreshock's, so that nothing is foreseen")
	w.called(1)
}

func (w *world) refusedBecause(why string) {
	w.t.Helper()
	if e := w.become(stateRefused); e.Reason != why {
		w.t.Errorf("refused because %q, want %q", e.Reason, why)
	}
}

func TestScaleThatMakesNoSense(t *testing.T) {
	for _, tc := range []struct {
		scale ScaleConfig
		want  string
	}{
		{ScaleConfig{Per: math.NaN(), Max: 1, MaxError: 1}, "per: must be a number above 0, got NaN"},
		{ScaleConfig{Per: math.Inf(1), Max: 1, MaxError: 1}, "per: must be a number above 0, got +Inf"},
		{ScaleConfig{Per: -1, Max: 1, MaxError: 1}, "per: must be a number above 0, got -1"},
		{ScaleConfig{Per: 1, Min: -1, Max: 1, MaxError: 1}, "min: must be from 0 to 10000, got -1"},
		{ScaleConfig{Per: 1, Min: 3, Max: 2, MaxError: 1}, "max: must be from min, and at least 1, to 10000, got 2"},
		{ScaleConfig{Per: 1, Max: math.MaxInt, MaxError: 1}, "max: must be from min, and at least 1, to 10000, got 9223372036854775807"},
		{ScaleConfig{Per: 1, Max: 1, MaxError: math.NaN()}, "max_error: must be above 0 and at most 1, got NaN"},
		{ScaleConfig{Per: 1, Max: 1, MaxError: 2}, "max_error: must be above 0 and at most 1, got 2"},
	} {
		if err := tc.scale.validate("scale"); err == nil || err.Error() != "scale."+tc.want {
			t.Errorf("%+v: %v", tc.scale, err)
		}
	}
}

// A value is an argument of its own, and there is none without a forecast.
func TestExecIsToldTheValue(t *testing.T) {
	c := script(t, `echo "to $1"`, valuePlaceholder)
	if _, err := c.prepare(examplePlan); err == nil || !strings.Contains(err.Error(), "no value") {
		t.Errorf("without a value: %v", err)
	}
	p := examplePlan
	p.Value = "7"
	c.timeout = time.Minute
	d, err := c.prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := d.do(t.Context()); out != "to 7\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	run := DefaultExecConfig()
	run.Command, run.Timeout = []string{valuePlaceholder}, model.Duration(time.Second)
	if err := run.validate("exec", nil); err == nil {
		t.Error("a value may be an executable")
	}
}
