package emitter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	// silenceCheck is how often Alertmanager is asked for silences while an alert fires,
	// silencePatience how long it may take, and maxSilences how much it may say, in bytes.
	silenceCheck    = 15 * time.Second
	silencePatience = 5 * time.Second
	maxSilences     = 8 << 20

	alertsPath, silencesPath = "/api/v2/alerts", "/api/v2/silences"
)

// silence is one of Alertmanager's, as its API has it.
type silence struct {
	ID        string
	CreatedBy string
	Comment   string
	StartsAt  time.Time
	Status    struct{ State string }
	Matchers  []struct {
		Name, Value string
		IsRegex     bool
		IsEqual     *bool // absent is true
	}
}

// matches reports whether the silence holds for an alert with those labels. One without
// matchers, or with some that cannot be read, holds for none.
func (s *silence) matches(ls labels.Labels) bool {
	for _, m := range s.Matchers {
		kind := labels.MatchEqual
		switch equal := m.IsEqual == nil || *m.IsEqual; {
		case m.IsRegex && equal:
			kind = labels.MatchRegexp
		case m.IsRegex:
			kind = labels.MatchNotRegexp
		case !equal:
			kind = labels.MatchNotEqual
		}
		matcher, err := labels.NewMatcher(kind, m.Name, m.Value)
		if err != nil || !matcher.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return len(s.Matchers) > 0
}

// reached is an Alertmanager that took an alert, and the client that has its credentials.
type reached struct {
	client http.Client
	at     url.URL
}

// silences asks every Alertmanager that took an alert for those that are active.
func (l *alertLine) silences(ctx context.Context) (active []silence, err error) {
	l.reachedMu.Lock()
	all := maps.Clone(l.reached)
	l.reachedMu.Unlock()
	for _, where := range slices.Sorted(maps.Keys(all)) {
		found, e := all[where].silences(ctx)
		if e != nil {
			err = fmt.Errorf("ask %s for silences: %w", where, e)
			continue
		}
		active = append(active, found...)
	}
	return slices.DeleteFunc(active, func(s silence) bool { return s.Status.State != "active" }), err
}

func (r *reached) silences(ctx context.Context) (all []silence, err error) {
	ctx, cancel := context.WithTimeout(ctx, silencePatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.at.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		return nil, outer.Err // the rest is the address, which may hold a secret
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("server returned HTTP status %s", response.Status)
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxSilences)).Decode(&all)
	return all, err
}

// reach notes that the Alertmanager took an alert by the client.
func (l *alertLine) reach(client http.Client, took *url.URL) {
	at := *took
	prefix, ok := strings.CutSuffix(at.Path, alertsPath)
	if !ok {
		return
	}
	at.Path = prefix + silencesPath
	l.reachedMu.Lock()
	defer l.reachedMu.Unlock()
	l.reached[at.Redacted()] = &reached{client, at}
}

// listen tells silenced of each alert that somebody silenced after it was told, until ctx
// ends. A silence from before, such as that of a maintenance, says nothing of an alert.
func (a *alertmanager) listen(ctx context.Context) {
	ticker := time.NewTicker(a.silenceCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		a.mu.Lock()
		line, wanted := a.line, a.dismissSilenced
		firing := a.alerts.firing()
		a.mu.Unlock()
		if len(firing) == 0 || !wanted {
			continue
		}
		active, err := line.silences(ctx)
		if err != nil && ctx.Err() == nil {
			a.errors.Log(slog.LevelWarn, "silences not read, so none is taken for a dismissal", "err", err)
		}
		for _, f := range firing {
			for i := range active {
				if s := &active[i]; s.StartsAt.After(f.toldAt) && s.matches(f.labels) {
					a.silenced(f.id, s.CreatedBy, s.Comment)
					break
				}
			}
		}
	}
}

// told is an alert that fires.
type told struct {
	id     string
	labels labels.Labels
	toldAt time.Time
}

// firing are the alerts that were told and are not over, with the labels they were sent with
// but for alert_relabel_configs.
func (s *alerts) firing() (all []told) {
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		a := s.byID[id]
		if !a.told || a.resolved() {
			continue
		}
		b := labels.NewBuilder(a.labels)
		s.composer.external.Range(func(l labels.Label) {
			if !a.labels.Has(l.Name) {
				b.Set(l.Name, l.Value)
			}
		})
		all = append(all, told{id, b.Labels(), a.toldAt})
	}
	return all
}
