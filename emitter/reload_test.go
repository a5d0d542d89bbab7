package emitter

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

func TestAReloadKeepsWhatStaysAndFinishesWhatGoes(t *testing.T) {
	stays, goes, comes := newReceiver(t, nil), newReceiver(t, nil), newReceiver(t, nil)
	slow := "queue_config: {batch_send_deadline: 1h}\n" // nothing leaves before the end
	e, stop := start(t, remoteOptions(remoteWriteConfig(t, stays.URL, slow), remoteWriteConfig(t, goes.URL, slow)))
	kept := e.remote[0]

	e.Offer(scored(0, 2, series("__name__", "cpu")))
	waitFor(t, "the samples", func() bool { return testutil.ToFloat64(e.metrics.samples.WithLabelValues(goes.URL)) == 4 })
	reload(t, e, remoteOptions(remoteWriteConfig(t, stays.URL, slow), remoteWriteConfig(t, comes.URL, slow)))
	waitFor(t, "what went to deliver, and to end its series", func() bool { return len(goes.samples()) == 8 })
	if e.remote[0] != kept {
		t.Error("a destination that stays the same lost its queue")
	}

	e.Offer(scored(15, 2, series("__name__", "cpu")))
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if got := len(stays.samples()); got != 12 {
		t.Errorf("what stays has %d samples, want two rounds and the markers", got)
	}
	if got := len(comes.samples()); got != 8 {
		t.Errorf("what came has %d samples, want one round and the markers", got)
	}
	bySeries(t, stays.samples())
	if _, err := e.Prepare(remoteOptions()); !errors.Is(err, foreshock.ErrClosed) {
		t.Errorf("reload after the end: %v", err)
	}
}

func TestAReloadIsAllOrNothing(t *testing.T) {
	rec := newReceiver(t, nil)
	e, stop := start(t, remoteOptions(remoteWriteConfig(t, rec.URL, "")))
	missing := filepath.Join(t.TempDir(), "missing")
	for name, spoil := range map[string]func(*Options){
		"config": func(o *Options) { o.Config.MaxSeries = 0 },
		"remote write": func(o *Options) {
			o.RemoteWrite[0] = remoteWriteConfig(t, rec.URL, "tls_config: {ca_file: "+missing+"}\n")
		},
		"alerting": func(o *Options) {
			o.Alerting = alertingConfig(t, "alertmanagers: [{tls_config: {ca_file: %q}, static_configs: [{targets: [a]}]}]", missing)
		},
		"JSON lines": func(o *Options) { o.Config.JSONLines.File = filepath.Join(missing, "file") },
	} {
		o := remoteOptions(remoteWriteConfig(t, rec.URL, ""))
		o.Config.Names = VMAnomalyNames
		spoil(&o)
		if _, err := e.Prepare(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if got := rec.samples(); len(got) == 0 || got[0].labels.Get("__name__") != foreshock.ScoreMetric {
		t.Errorf("after the failed reloads: %v", got)
	}
}

// Whoever looks at a series under its old labels must see it end, not stand still.
func TestAReloadEndsSeriesThatGetOtherLabels(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *Options, string){
		"external labels": func(_ *testing.T, o *Options, _ string) { o.ExternalLabels = labels.FromStrings("cluster", "eu-2") },
		"relabelling": func(t *testing.T, o *Options, url string) {
			o.RemoteWrite[0] = remoteWriteConfig(t, url, "write_relabel_configs: [{target_label: team, replacement: ops}]\n")
		},
		"tenant": func(t *testing.T, o *Options, url string) {
			o.RemoteWrite[0] = remoteWriteConfig(t, url, "headers: {X-Scope-OrgID: other}\n")
		},
		"names":   func(_ *testing.T, o *Options, _ string) { o.Config.Names = VMAnomalyNames },
		"no more": func(_ *testing.T, o *Options, _ string) { o.RemoteWrite = nil },
	} {
		t.Run(name, func(t *testing.T) {
			rec := newReceiver(t, nil)
			o := remoteOptions(remoteWriteConfig(t, rec.URL, ""))
			o.ExternalLabels = labels.FromStrings("cluster", "eu-1")
			e, stop := start(t, o)
			r := scored(0, 2, series("__name__", "cpu"))
			r.Incidents = []foreshock.Incident{firingIncident()}
			e.Offer(r)
			waitFor(t, "the samples", func() bool { return testutil.ToFloat64(e.metrics.samples.WithLabelValues(rec.URL)) == 5 })

			o = remoteOptions(remoteWriteConfig(t, rec.URL, ""))
			o.ExternalLabels = labels.FromStrings("cluster", "eu-1")
			change(t, &o, rec.URL)
			reload(t, e, o)
			waitFor(t, "the end of the old series", func() bool { return len(rec.samples()) >= 10 })
			for key, samples := range bySeries(t, rec.samples()) {
				if len(samples) != 2 || !samples[1].stale() {
					t.Errorf("%s: %v", key, samples)
				}
			}
			e.Offer(scored(15, 2, series("__name__", "cpu")))
			if err := stop(time.Second); err != nil {
				t.Fatal(err)
			}
			bySeries(t, rec.samples())
			holdsAccount(t, e.metrics, rec.URL)
		})
	}
}

// What a new password changes is not what is written: nothing may end, and what waits
// must arrive, in order, though the first attempt at it was made with the old one.
func TestAReloadOfHowToReachItHandsTheQueueOver(t *testing.T) {
	rec := newReceiver(t, func(w http.ResponseWriter, r request, _ int) {
		if r.header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		accept(w, r)
	})
	with := func(token string) Options {
		return remoteOptions(remoteWriteConfig(t, rec.URL, "authorization: {credentials: "+token+"}\n"))
	}
	e, stop := start(t, with("old"))
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	waitFor(t, "an attempt", func() bool { return len(rec.all()) > 0 })
	reload(t, e, with("new"))
	e.Offer(scored(15, 2, series("__name__", "cpu")))
	if err := stop(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(e.metrics.samplesSent.WithLabelValues(rec.URL)); got != 12 {
		t.Errorf("sent %v samples, want two rounds and the markers", got)
	}
	var kept []received
	for _, r := range rec.all() {
		if r.header.Get("Authorization") == "Bearer new" {
			kept = append(kept, r.samples()...)
		}
	}
	for key, samples := range bySeries(t, kept) {
		if len(samples) != 3 || samples[0].stale() || samples[1].stale() {
			t.Errorf("%s: %v; want two values and an end", key, samples)
		}
	}
}

// Two senders of one series would arrive out of order.
func TestWhatReplacesARemoteWriteWaitsUntilItHasLeft(t *testing.T) {
	var slow atomic.Bool
	slow.Store(true)
	rec := newReceiver(t, func(w http.ResponseWriter, r request, _ int) {
		if slow.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		accept(w, r)
	})
	e, stop := start(t, remoteOptions(remoteWriteConfig(t, rec.URL, "")))
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	waitFor(t, "an attempt", func() bool { return len(rec.all()) > 0 })
	reload(t, e, remoteOptions(remoteWriteConfig(t, rec.URL, "write_relabel_configs: [{source_labels: [for], regex: disk, action: drop}]\n")))
	e.Offer(scored(15, 2, series("__name__", "cpu")))
	slow.Store(false)
	if err := stop(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	var accepted []received
	all := rec.all()
	last := slices.IndexFunc(all, func(r request) bool { return slices.ContainsFunc(r.samples(), received.stale) })
	for _, r := range all[last-1:] {
		accepted = append(accepted, r.samples()...)
	}
	bySeries(t, accepted)
	if got := testutil.ToFloat64(e.metrics.samplesSent.WithLabelValues(rec.URL)); got != 16 {
		t.Errorf("sent %v samples, want two rounds, each with its end", got)
	}
}

// A reload that another room refuses must not be seen anywhere.
func TestWhatWasOnlyPreparedLeavesNothing(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	rec := newReceiver(t, nil)
	o := remoteOptions(remoteWriteConfig(t, rec.URL, ""))
	o.Registerer = reg
	e, stop := start(t, o)
	before, err := testutil.GatherAndCount(reg)
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	o = remoteOptions(remoteWriteConfig(t, "http://localhost:1/other", ""))
	o.Config.Names, o.Config.QueueCapacity = VMAnomalyNames, 1
	o.Config.JSONLines.File = filepath.Join(dir, "foreshock.jsonl")
	o.Alerting = alertingConfig(t, "alertmanagers: [{static_configs: [{targets: [localhost:1]}]}]")
	if _, err := e.Prepare(o); err != nil {
		t.Fatal(err)
	}
	if after, err := testutil.GatherAndCount(reg); err != nil || after != before {
		t.Errorf("%d metrics, before %d: %v", after, before, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v: %v", left, err)
	}
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if got := rec.samples(); len(got) != 8 || !strings.HasPrefix(got[0].labels.Get("__name__"), "foreshock_") {
		t.Errorf("afterwards it wrote %v", got)
	}
}

func TestAReloadChangesTheRoomToWait(t *testing.T) {
	e, err := New(Options{Config: DefaultConfig()}) // nobody runs it
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	for second := range int64(10) {
		e.Offer(scored(second, 2, series("__name__", "cpu")))
	}
	c := DefaultConfig()
	c.QueueCapacity = 3
	reload(t, e, Options{Config: c})
	if waiting, _ := e.inbox.state(); waiting != 3 || testutil.ToFloat64(e.metrics.findingsDropped) != 7 {
		t.Errorf("%d reports wait, %v dropped", waiting, testutil.ToFloat64(e.metrics.findingsDropped))
	}
}
