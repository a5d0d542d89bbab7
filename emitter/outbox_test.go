package emitter

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/internal/disk"
	"github.com/foreshock/foreshock/internal/disk/faulty"
)

// spooledOptions keep in dir what waits.
func spooledOptions(dir string, all ...*promconfig.RemoteWriteConfig) Options {
	o := remoteOptions(all...)
	o.Outbox, o.FS = dir, faulty.Unsynced{}
	return o
}

// away is a receiver that is not there until it comes back.
type away struct {
	*receiver
	back atomic.Bool
}

func newAway(t *testing.T) *away {
	a := &away{}
	a.receiver = newReceiver(t, func(w http.ResponseWriter, r request, _ int) {
		if !a.back.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		accept(w, r)
	})
	return a
}

// accepted are the samples that came since it was back.
func (a *away) accepted(from int) (all []received) {
	for _, r := range a.all()[from:] {
		all = append(all, r.samples()...)
	}
	return all
}

// The receiver is away through three lives of the process. Once it is back it is told all
// of it, in order and as it was, be the configuration what it may by then.
func TestWhatWaitsOutlivesTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	rec := newAway(t)
	for life := range int64(3) {
		o := spooledOptions(dir, remoteWriteConfig(t, rec.URL, ""))
		o.ExternalLabels = labels.FromStrings("life", fmt.Sprint(life))
		e, stop := start(t, o)
		for second := range int64(10) {
			e.Offer(scored(life*10+second, 2, series("__name__", "cpu")))
		}
		if err := stop(50 * time.Millisecond); err == nil {
			t.Error("nobody says that something is left")
		}
		if n := testutil.ToFloat64(e.metrics.samplesDropped.WithLabelValues(rec.URL, droppedShutdown)); n != 0 {
			t.Errorf("%v are dropped that could wait on disk", n)
		}
	}
	rec.back.Store(true)
	before := len(rec.all())
	e, stop := start(t, spooledOptions(dir, remoteWriteConfig(t, rec.URL, "")))
	e.Offer(scored(40, 2, series("__name__", "cpu")))
	waitFor(t, "the backlog", func() bool { return testutil.ToFloat64(e.metrics.samplesPending.WithLabelValues(rec.URL)) == 0 })
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	got := bySeries(t, rec.accepted(before))
	for life := range 3 {
		of := got[fmt.Sprintf(`{__name__="foreshock_anomaly_score", for="cpu", life="%d"}`, life)]
		if len(of) != 11 || !of[10].stale() {
			t.Errorf("of life %d came %v", life, of)
		}
	}
	if of := got[`{__name__="foreshock_anomaly_score", for="cpu"}`]; len(of) != 2 {
		t.Errorf("of the last life came %v", of)
	}
}

// A receiver that acknowledges only what it likes, hangs, and hangs up: each sample comes
// at least once, in order.
func TestWhatWaitsIsSentAgainUntilItIsAcknowledged(t *testing.T) {
	dir := t.TempDir()
	rec := newReceiver(t, func(w http.ResponseWriter, r request, n int) {
		switch n % 4 {
		case 0:
			accept(w, r)
		case 1: // takes it, and hangs up
			panic(http.ErrAbortHandler)
		case 2:
			http.Error(w, "later", http.StatusInternalServerError)
		case 3: // sends a part of its answer
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("dr"))
		}
	})
	c := remoteWriteConfig(t, rec.URL, "queue_config: {batch_send_deadline: 10ms, min_backoff: 1ms, max_backoff: 5ms, max_samples_per_send: 7}\nremote_timeout: 5s\n")
	e, stop := start(t, spooledOptions(dir, c))
	for second := range int64(50) {
		e.Offer(scored(second, 2, series("__name__", "cpu")))
	}
	if err := stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	last := map[string]int64{}
	distinct := 0
	for _, s := range rec.samples() {
		key := s.labels.String()
		if s.t > last[key] {
			distinct++
			last[key] = s.t
		}
	}
	if in := testutil.ToFloat64(e.metrics.samples.WithLabelValues(rec.URL)); float64(distinct) != in {
		t.Errorf("%v samples emitted, %d came", in, distinct)
	}
	holdsAccount(t, e.metrics, rec.URL)
}

// The disk has an end: the oldest go, and each is counted.
func TestAFullOutboxCountsWhatItDrops(t *testing.T) {
	rec := newAway(t)
	o := spooledOptions(t.TempDir(), remoteWriteConfig(t, rec.URL, ""))
	o.OutboxLimit = 300 << 10
	e, stop := start(t, o)
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("cpu_%03d_%s", i, strings.Repeat("x", 30)))
	}
	dropped := func() float64 {
		return testutil.ToFloat64(e.metrics.samplesDropped.WithLabelValues(rec.URL, droppedOutbox))
	}
	for second := range int64(60) {
		for _, name := range many {
			e.Offer(scored(second, 2, series("__name__", name)))
		}
	}
	waitFor(t, "the end of the disk", func() bool { return dropped() > 0 })
	waitFor(t, "all to be spooled", func() bool { n, _ := e.inbox.state(); return n == 0 })
	rec.back.Store(true)
	before := len(rec.all())
	waitFor(t, "the rest", func() bool { return testutil.ToFloat64(e.metrics.samplesPending.WithLabelValues(rec.URL)) == 0 })
	if err := stop(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	came := rec.accepted(before)
	bySeries(t, came)
	holdsAccount(t, e.metrics, rec.URL)
	in := testutil.ToFloat64(e.metrics.samples.WithLabelValues(rec.URL))
	if in != dropped()+float64(len(came)) {
		t.Errorf("%v emitted, %v dropped, %d came", in, dropped(), len(came))
	}
}

// A disk that is full keeps nobody from being told: what does not fit goes past it, and
// back onto it when there is room.
func TestAFullDiskIsPassedBy(t *testing.T) {
	full := &faulty.Breaking{FS: disk.OS{}}
	rec := newAway(t)
	o := spooledOptions(t.TempDir(), remoteWriteConfig(t, rec.URL, ""))
	o.FS = full
	e, stop := start(t, o)
	e.Offer(scored(1, 2, series("__name__", "cpu")))
	waitFor(t, "the first to be on disk", func() bool { return e.remote[0].outbox.Waiting() == 4 })
	full.Break(syscall.ENOSPC)
	e.Offer(scored(2, 2, series("__name__", "cpu")))
	waitFor(t, "the disk to be full", func() bool { return testutil.ToFloat64(e.metrics.outboxFailures.WithLabelValues(rec.URL)) > 0 })
	before := len(rec.all())
	rec.back.Store(true)
	waitFor(t, "both", func() bool {
		of := bySeries(t, rec.accepted(before))[`{__name__="foreshock_anomaly_score", for="cpu"}`]
		return len(of) == 2
	})
	full.Mend()
	e.Offer(scored(3, 2, series("__name__", "cpu")))
	waitFor(t, "the third", func() bool {
		of := bySeries(t, rec.accepted(before))[`{__name__="foreshock_anomaly_score", for="cpu"}`]
		return len(of) == 3
	})
	if err := stop(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	holdsAccount(t, e.metrics, rec.URL)
}

// A reload that changes how series are named goes on with what waits, and one that takes
// the remote write away leaves nothing behind once the process starts again.
func TestWhatWaitsOutlivesAReload(t *testing.T) {
	dir := t.TempDir()
	rec := newAway(t)
	o := spooledOptions(dir, remoteWriteConfig(t, rec.URL, ""))
	e, stop := start(t, o)
	e.Offer(scored(1, 2, series("__name__", "cpu")))
	waitFor(t, "the first to be on disk", func() bool { return e.remote[0].outbox.Waiting() == 4 })
	o.ExternalLabels = labels.FromStrings("cluster", "eu")
	reload(t, e, o)
	e.Offer(scored(2, 2, series("__name__", "cpu")))
	rec.back.Store(true)
	before := len(rec.all())
	waitFor(t, "both", func() bool {
		got := bySeries(t, rec.accepted(before))
		return len(got[`{__name__="foreshock_anomaly_score", for="cpu"}`]) == 2 && // with its end
			len(got[`{__name__="foreshock_anomaly_score", cluster="eu", for="cpu"}`]) == 1
	})
	rec.back.Store(false)
	e.Offer(scored(3, 2, series("__name__", "cpu")))
	_ = stop(50 * time.Millisecond) // something is left

	var log logged
	o.RemoteWrite, o.Logger = nil, log.logger()
	_, stop = start(t, o)
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 || !strings.Contains(log.text(), "removed an outbox") {
		t.Errorf("left %v, %v\n%s", left, err, log.text())
	}
}

func TestSamplesComeBackFromDisk(t *testing.T) {
	var all []sample
	for f := range families {
		all = append(all, sample{labels.FromStrings("__name__", "x", "f", fmt.Sprint(f)), t0 + int64(f), float64(f), f})
	}
	body, err := encode("io.prometheus.write.v2.Request", all)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(body)
	if err != nil || !slices.EqualFunc(got, all, func(a, b sample) bool {
		return labels.Equal(a.labels, b.labels) && a.t == b.t && a.v == b.v && a.family == b.family
	}) {
		t.Errorf("%v, %v", got, err)
	}
	for n := range body {
		if _, err := decode(body[:n]); err == nil && n > 0 {
			t.Errorf("half of it, %d bytes, is read as samples", n)
		}
	}
}
