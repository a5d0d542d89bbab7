package emitter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/extent"
)

// desk is a story told to alerts: incidents change, time passes, and what would be
// sent is written one a line.
type desk struct {
	t *testing.T
	*alerts
	lag   time.Duration
	alone bool // there is no Alertmanager
}

func newDesk(t *testing.T) *desk {
	s := newAlerts(newMetrics(nil))
	s.composer = newComposer(Options{})
	s.freshness = 10 * time.Minute
	return &desk{t: t, alerts: s}
}

func at(second int64) time.Time { return time.UnixMilli(t0 + second*1000).UTC() }

func incident(id string, state foreshock.State, startsAt, endsAt int64) foreshock.Incident {
	i := firingIncident()
	i.ID, i.State, i.StartsAt = id, state, t0+startsAt*1000
	i.Labels = labels.FromStrings("instance", strings.TrimRight(id, "'")) // a' has the labels of a
	if endsAt > 0 {
		i.EndsAt = t0 + endsAt*1000
	}
	return i
}

// tell changes incidents at the given second and returns what is due then.
func (d *desk) tell(second int64, changed ...foreshock.Incident) string {
	d.t.Helper()
	for i := range changed {
		d.observe(&changed[i], at(second))
	}
	due, err := d.due(at(second), d.lag, !d.alone)
	if err != nil {
		d.t.Fatal(err)
	}
	var said []string
	for _, a := range due {
		said = append(said, fmt.Sprintf("%s %v to %v", a.Labels.Get("instance"), a.StartsAt.Sub(at(0)), a.EndsAt.Sub(at(0))))
	}
	return strings.Join(said, ", ")
}

func (d *desk) expect(got, want string) {
	d.t.Helper()
	if got != want {
		d.t.Errorf("told %q, want %q", got, want)
	}
}

func TestAFiringAlertIsRepeatedAndEndsWithUs(t *testing.T) {
	d := newDesk(t)
	d.expect(d.tell(10, incident("a", foreshock.Pending, 5, 0)), "")
	d.expect(d.tell(12, incident("a", foreshock.Firing, 5, 0)), "a 5s to 4m12s")
	d.expect(d.tell(40, incident("a", foreshock.Firing, 5, 0)), "")
	d.expect(d.tell(72), "a 5s to 5m12s")
}

func TestAResolvedAlertIsRepeatedAndForgotten(t *testing.T) {
	d := newDesk(t)
	d.tell(10, incident("a", foreshock.Firing, 5, 0))
	d.expect(d.tell(30, incident("a", foreshock.Resolved, 5, 25)), "a 5s to 25s")
	d.expect(d.tell(89), "")
	d.expect(d.tell(90), "a 5s to 25s")
	d.expect(d.tell(30+15*60+1), "")
	if len(d.byID) != 0 {
		t.Error("not forgotten")
	}
}

func TestAnEndIsNeitherToComeNorBeforeTheStart(t *testing.T) {
	d := newDesk(t)
	d.tell(10, incident("a", foreshock.Firing, 5, 0), incident("b", foreshock.Firing, 20, 0))
	d.expect(d.tell(15, incident("a", foreshock.Resolved, 5, 500), incident("b", foreshock.Resolved, 20, 18)), "a 5s to 15s, b 20s to 20s")
}

func TestNobodyIsToldOfWhatNoRuleSelected(t *testing.T) {
	d := newDesk(t)
	i := incident("a", foreshock.Firing, 5, 0)
	i.Alerting = false
	d.expect(d.tell(10, i), "")
}

// After an outage Prometheus sends hours of samples in minutes.
func TestABacklogPagesNobody(t *testing.T) {
	d := newDesk(t)
	d.lag = time.Hour
	d.expect(d.tell(10, incident("over", foreshock.Firing, 1, 0), incident("lasting", foreshock.Firing, 2, 0)), "")
	d.expect(d.tell(20, incident("over", foreshock.Resolved, 1, 15)), "")
	d.lag = 0
	d.expect(d.tell(30), "lasting 2s to 4m30s")
	if held, untold := testutil.ToFloat64(d.metrics.alertsHeld), testutil.ToFloat64(d.metrics.alertsUntold); held != 2 || untold != 1 {
		t.Errorf("%v held, %v untold; want 2 and 1", held, untold)
	}
}

// A spike that begins and ends within one batch of samples, or between two looks at the
// queue, is told as if there had been time in between.
func TestWhatIsOverAtOnceIsToldAllTheSame(t *testing.T) {
	d := newDesk(t)
	d.expect(d.tell(40, incident("a", foreshock.Resolved, 5, 25)), "a 5s to 4m40s")
	d.expect(d.tell(41), "a 5s to 25s")
	d.expect(d.tell(42), "")
	d.expect(d.tell(50, incident("b", foreshock.Firing, 35, 0), incident("b", foreshock.Resolved, 35, 45)), "b 35s to 4m50s")
	d.expect(d.tell(51), "b 35s to 45s")
	if got := testutil.ToFloat64(d.metrics.alertsUntold); got != 0 {
		t.Errorf("%v untold", got)
	}
}

func TestWithoutAnAlertmanagerOnlyWhatLastsIsKept(t *testing.T) {
	d := newDesk(t)
	d.alone = true
	d.expect(d.tell(10, incident("over", foreshock.Resolved, 1, 5), incident("lasting", foreshock.Firing, 2, 0)), "")
	d.alone = false
	d.expect(d.tell(30), "lasting 2s to 4m30s")
	if got := testutil.ToFloat64(d.metrics.alertsUntold); got != 1 || len(d.byID) != 1 {
		t.Errorf("%v untold, %d kept", got, len(d.byID))
	}
}

// That no samples come is no recovery: if we fell silent, Alertmanager would resolve.
func TestAnAlertGoesOnWhenTheInputDies(t *testing.T) {
	d := newDesk(t)
	d.tell(10, incident("a", foreshock.Firing, 5, 0))
	d.lag = time.Hour
	d.expect(d.tell(3610), "a 5s to 1h4m10s")
	d.expect(d.tell(3620, incident("a", foreshock.Resolved, 5, 25)), "a 5s to 25s")
}

// To Alertmanager equal labels are one alert, which the end of one incident must not
// end for the other.
func TestTwoIncidentsWithTheSameLabelsAreOneAlert(t *testing.T) {
	d := newDesk(t)
	d.expect(d.tell(10, incident("a", foreshock.Firing, 5, 0)), "a 5s to 4m10s")
	d.expect(d.tell(20, incident("a'", foreshock.Firing, 15, 0)), "")
	d.expect(d.tell(30, incident("a", foreshock.Resolved, 5, 25)), "")
	d.expect(d.tell(80), "a 15s to 5m20s")
	d.expect(d.tell(100, incident("a'", foreshock.Resolved, 15, 95)), "a 15s to 1m35s")
}

func TestLabelsStayThoughTheRuleChanges(t *testing.T) {
	d := newDesk(t)
	d.tell(10, incident("a", foreshock.Firing, 5, 0))
	d.composer = newComposer(Options{Rules: cpuRule(map[string]string{"severity": "page"}, nil)})
	d.observe(new(incident("a", foreshock.Resolved, 5, 25)), at(30))
	due, _ := d.due(at(30), 0, true)
	if len(due) != 1 || due[0].Labels.Get("severity") != extent.Warning {
		t.Errorf("told %v; a changed label would leave the old alert firing", due)
	}
}

func TestTooManyIncidentsAreCounted(t *testing.T) {
	d := newDesk(t)
	for n := range maxAlerts + 3 {
		d.observe(new(incident(fmt.Sprint(n), foreshock.Firing, 5, 0)), at(10))
	}
	if got := testutil.ToFloat64(d.metrics.alertsDropped); len(d.byID) != maxAlerts || got != 3 {
		t.Errorf("%d kept, %v dropped", len(d.byID), got)
	}
}
