package detector

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	prommodel "github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

// A series that falls silent loses its samples after a window and everything after
// the idle time; a heartbeat meanwhile shows that it is not the sender who is silent.
func TestSilentSeriesAges(t *testing.T) {
	cfg := DefaultConfig()
	cfg.IdleAfter = prommodel.Duration(6 * time.Hour)
	b := run(t, Options{Config: cfg, Rules: everything()})
	x, heart := series("silent"), series("heartbeat")
	for i := range int64(11) {
		b.append(foreshock.Sample{Series: x, T: start + i*60_000, V: 1}, foreshock.Sample{Series: heart, T: start + i*60_000, V: 1})
	}
	beat := func(minutes int64) { b.append(foreshock.Sample{Series: heart, T: start + minutes*60_000, V: 1}) }
	for m := int64(11); m < 10+60; m++ {
		beat(m)
	}
	if n := len(b.view("silent").Samples); n != 11 {
		t.Errorf("within its window it has %d samples, want 11", n)
	}
	for m := int64(70); m < 10+6*60; m++ {
		beat(m)
	}
	if n := len(b.view("silent").Samples); n != 0 {
		t.Errorf("beyond its window it has %d samples, want none", n)
	}
	for m := int64(10 + 6*60); m < 15+6*60; m++ {
		beat(m)
	}
	if n := len(b.views("silent")); n != 0 {
		t.Error("beyond the idle time it is still known")
	}
	if n := len(b.view("heartbeat").Samples); n < 60 {
		t.Errorf("the heartbeat has %d samples, want an hour of them", n)
	}
	b.stop()
	gone := 0
	for _, f := range b.found {
		gone += len(f.Gone)
	}
	if n := testutil.ToFloat64(b.metrics.evicted[evictIdle]); n != 1 || gone != 1 {
		t.Errorf("evicted %v and gone %d, want 1 and 1", n, gone)
	}
}

// An outage of the sender is not silence of the series: after a weekend without
// input everything learned must still be there.
func TestOutageAgesNobody(t *testing.T) {
	b := run(t, Options{})
	at := start
	beat := func() {
		batch := &foreshock.Batch{}
		for k := range 20 {
			batch.Samples = append(batch.Samples, foreshock.Sample{Series: series("load", "instance", fmt.Sprint(k)), T: at, V: 1})
		}
		b.batch(batch)
		at += 60_000
	}
	for range 200 {
		beat()
	}
	at += 3 * 24 * leap
	for range 100 {
		beat()
	}
	b.settle()
	if st := b.Status(); st.Evicted != 0 || st.Warming != 0 || !st.Now.Equal(foreshock.Time(at-60_000)) {
		t.Errorf("after the outage: %d evicted, %d warming, now %s", st.Evicted, st.Warming, st.Now)
	}
}

// At the limit new series are refused, known ones go on, and idle ones make room.
func TestMaxSeries(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxSeries = 100
	b := run(t, Options{Config: cfg, Shards: 1})
	one := func(name string, i int, at int64, v float64) foreshock.Sample {
		return foreshock.Sample{Series: series(name, "i", fmt.Sprint(i)), T: at, V: v}
	}
	for round := range int64(3) {
		batch := &foreshock.Batch{}
		for i := range 100 {
			batch.Samples = append(batch.Samples, one("known", i, start+round*60_000, 1))
		}
		for i := range 50_000 {
			batch.Samples = append(batch.Samples, one("churn", int(round)*50_000+i, start+round*60_000, 1))
		}
		b.batch(batch)
	}
	b.settle()
	if st := b.Status(); st.Series != 100 || st.Refused != 150_000 || st.Scored != 300 {
		t.Fatalf("under churn: %d series, %d refused, %d scored; want 100, 150000, 300", st.Series, st.Refused, st.Scored)
	}

	at := start + 3*60_000
	for i := range 30 {
		b.append(one("known", i, at, staleMarker))
	}
	batch := &foreshock.Batch{}
	for i := range 40 {
		batch.Samples = append(batch.Samples, one("new", i, at, 1))
	}
	b.batch(batch)
	if got := len(b.views("new")); got != 30 {
		t.Errorf("%d new series took the places of 30 that ended", got)
	}
	if got := len(b.views("known")); got != 70 {
		t.Errorf("%d of the 70 series that did not end are known", got)
	}
	if n := testutil.ToFloat64(b.metrics.evicted[evictRoom]); n != 30 {
		t.Errorf("%v evicted for room, want 30", n)
	}

	// Lowering the limit lets no more in, but throws nobody out who is heard.
	cfg.MaxSeries = 50
	b.SetConfig(cfg)
	b.append(one("new", 99, at, 1))
	if st := b.Status(); st.MaxSeries != 50 {
		t.Errorf("the limit is %d, want 50", st.MaxSeries)
	}
	if got := len(b.views("new")); got != 30 {
		t.Errorf("%d new series, want 30 as before", got)
	}
}
