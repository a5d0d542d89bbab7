package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/internal/inquest"
	"github.com/foreshock/foreshock/journal"
	"github.com/foreshock/foreshock/rules"
)

// incidents lets the API look at the correlator between two batches: the correlator
// itself is pure and knows no lock. What dismissals taught is in a journal.
type incidents struct {
	journal *journal.Log
	logger  *slog.Logger

	mu         sync.Mutex
	correlator *incident.Correlator
}

// remembered is for how long a lesson is kept: by then it is worth less than a tenth of
// the strength it spoke of, since 3 × e^(−60/14) = 0.04. maxLessons bounds how many.
const (
	remembered = 60 * 24 * time.Hour
	maxLessons = 10_000
)

// newIncidents opens the journal in dir and learns again what is in it.
func newIncidents(c incident.Config, r *rules.Set, dir string, reg prometheus.Registerer, logger *slog.Logger) (*incidents, error) {
	log, err := journal.Open(dir, journal.Options{Registerer: reg, Logger: logger})
	if err != nil {
		return nil, err
	}
	i := &incidents{journal: log, logger: logger, correlator: incident.New(c)}
	i.correlator.SetRules(r)
	if err := i.recall(time.Now()); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	reg.MustRegister(incidentMetrics{i})
	return i, nil
}

// recall learns what was learned before now, and drops from the journal what is old.
func (i *incidents) recall(now time.Time) error {
	var kept [][]byte
	var lessons []incident.Lesson
	all := 0
	err := i.journal.Replay(func(text []byte) error {
		all++
		var l incident.Lesson
		if err := json.Unmarshal(text, &l); err != nil {
			i.logger.Warn("skipped a dismissal that cannot be read", "err", err)
			return nil
		}
		if now.Sub(foreshock.Time(l.Dismissal.At)) < remembered {
			lessons = append(lessons, l)
			kept = append(kept, bytes.Clone(text))
		}
		return nil
	})
	if err != nil {
		return err
	}
	kept, lessons = kept[max(len(kept)-maxLessons, 0):], lessons[max(len(lessons)-maxLessons, 0):]
	i.correlator.Relearn(lessons)
	if len(kept) < all {
		return i.journal.Rewrite(kept)
	}
	return nil
}

// dismiss marks an incident as a false alarm. The lesson counts once it is on the disk;
// where it cannot be written it counts until the next restart, and the log says so.
func (i *incidents) dismiss(id, by, reason string) error {
	i.mu.Lock()
	lesson, err := i.correlator.Dismiss(id, by, reason)
	i.mu.Unlock()
	switch {
	case errors.Is(err, incident.ErrDismissed), errors.Is(err, incident.ErrUntold):
		return console.Conflict{Why: err}
	case err != nil:
		return err
	}
	i.logger.Info("incident dismissed", "incident", id, "by", by, "reason", reason)
	text, err := json.Marshal(lesson)
	if err == nil {
		err = i.journal.Append(text)
	}
	if err != nil {
		i.logger.Error("a dismissal will be forgotten at the next restart", "incident", id, "err", err)
	}
	return nil
}

// silenced takes a silence for a dismissal. It comes again and again, and also of incidents
// that are over: only the first counts.
func (i *incidents) silenced(id, by, why string) {
	err := i.dismiss(id, cmp.Or(strings.TrimSpace(by), "Alertmanager"), strings.TrimSpace("silenced "+why))
	if conflict := (console.Conflict{}); err != nil && !errors.As(err, &conflict) {
		i.logger.Debug("silence without an incident", "incident", id, "err", err)
	}
}

func (i *incidents) close() error { return i.journal.Close() }

// watchInquest counts what was not answered; an inquest knows no registry, as in replays
// there is none.
func watchInquest(reg prometheus.Registerer, q *inquest.Inquest) {
	f := promauto.With(reg)
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "foreshock_inquest_questions_failed_total",
		Help: "Times the cause of an incident was looked for and the windows could not be read.",
	}, func() float64 { return float64(q.Failed()) })
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "foreshock_inquest_incidents_skipped_total",
		Help: "Incidents whose cause was not looked for because as many as allowed were open.",
	}, func() float64 { return float64(q.Skipped()) })
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "foreshock_inquest_places_skipped_total",
		Help: "Places near an incident that were not looked at for its cause because there were more than a question takes in.",
	}, func() float64 { return float64(q.Unlooked()) })
}

func (i *incidents) observe(f foreshock.Findings) []foreshock.Incident {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Observe(f)
}

func (i *incidents) setInquest(id string, found foreshock.Inquest) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.correlator.SetInquest(id, found)
}

// again has an incident that is open be told with the next samples. One that is over is
// returned, to be told by the caller.
func (i *incidents) again(id string) (over []foreshock.Incident) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.correlator.Again(id) {
		return nil
	}
	return slices.DeleteFunc(i.correlator.Incidents(), func(in foreshock.Incident) bool { return in.ID != id })
}

func (i *incidents) list() []foreshock.Incident {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Incidents()
}

// tallies are how often each rule's incidents fired and were dismissed since the start.
func (i *incidents) tallies() map[string]incident.Tally {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Tallies()
}

func (i *incidents) apply(c incident.Config, r *rules.Set) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.correlator.SetConfig(c)
	i.correlator.SetRules(r)
}

// image is what is open and was, for restore.
func (i *incidents) image() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Image()
}

func (i *incidents) restore(image []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Restore(image)
}

// firing are the incidents that Alertmanager has to know of, and not of those that were
// dismissed since their state was saved.
func (i *incidents) firing() (firing []foreshock.Incident) {
	all := i.list()
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, in := range all {
		if in.State == foreshock.Firing && !i.correlator.ToBeDismissed(in.ID) {
			firing = append(firing, in)
		}
	}
	return firing
}

// incidentMetrics are the correlator's, which is pure and knows no registry.
type incidentMetrics struct{ of *incidents }

var (
	refusedDesc = prometheus.NewDesc("foreshock_incident_anomalies_refused_total",
		"Anomalies that joined no incident because as many incidents, or series in them, as allowed were open.", nil, nil)
	forgottenDesc = prometheus.NewDesc("foreshock_incident_memories_forgotten_total",
		"Usual rates of incidents, and things that fell ill together before, forgotten because as many as allowed were known.", nil, nil)
	withheldDesc = prometheus.NewDesc("foreshock_incident_anomalies_withheld_total",
		"Anomalies nobody was told of because they were no stronger than what was dismissed as a false alarm.", nil, nil)
	firedDesc = prometheus.NewDesc("foreshock_incidents_fired_total",
		"Incidents that fired, by their rule.", []string{"rule"}, nil)
	dismissedDesc = prometheus.NewDesc("foreshock_incidents_dismissed_total",
		"Incidents that fired and were dismissed as false alarms, by their rule.", []string{"rule"}, nil)
	precisionDesc = prometheus.NewDesc("foreshock_incidents_precision_ratio",
		"Share of the rule's incidents since the start that nobody dismissed.", []string{"rule"}, nil)
)

// Describe implements prometheus.Collector.
func (incidentMetrics) Describe(into chan<- *prometheus.Desc) {
	into <- refusedDesc
	into <- forgottenDesc
	into <- withheldDesc
	into <- firedDesc
	into <- dismissedDesc
	into <- precisionDesc
}

// Collect implements prometheus.Collector.
func (m incidentMetrics) Collect(into chan<- prometheus.Metric) {
	m.of.mu.Lock()
	c := m.of.correlator
	refused, forgotten, withheld, tallies := c.Refused(), c.Forgotten(), c.Withheld(), c.Tallies()
	m.of.mu.Unlock()
	into <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(refused))
	into <- prometheus.MustNewConstMetric(forgottenDesc, prometheus.CounterValue, float64(forgotten))
	into <- prometheus.MustNewConstMetric(withheldDesc, prometheus.CounterValue, float64(withheld))
	for rule, t := range tallies {
		into <- prometheus.MustNewConstMetric(firedDesc, prometheus.CounterValue, float64(t.Fired), rule)
		into <- prometheus.MustNewConstMetric(dismissedDesc, prometheus.CounterValue, float64(t.Dismissed), rule)
		into <- prometheus.MustNewConstMetric(precisionDesc, prometheus.GaugeValue, float64(t.Fired-t.Dismissed)/float64(t.Fired), rule)
	}
}
