package detector

import (
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"
	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// Labels that say what a series is scraped from, beside job and instance.
const (
	clusterLabel   = "cluster"
	namespaceLabel = "namespace"
	podLabel       = "pod"
)

// upMetric is what Prometheus itself says of each target it scrapes.
const upMetric = "up"

// role is what a series tells about its target by being heard.
type role uint8

const (
	vital    role = iota // the target lives
	scrape               // Prometheus tries to scrape it: up
	outlived             // nothing: it is made elsewhere, of what was heard once
)

// roleOf is that of the series ls. What Prometheus adds to a scrape goes on when the
// target is dead, and so do its alerts and, for a while, what rules record of it.
func roleOf(ls labels.Labels) role {
	switch name := ls.Get(prommodel.MetricNameLabel); {
	case name == upMetric:
		return scrape
	case strings.HasPrefix(name, "scrape_"), isAlert(name), name == foreshock.ExprName:
		return outlived
	case strings.Contains(name, ":") && (ls.Has(prommodel.InstanceLabel) || ls.Has(podLabel)):
		return outlived
	}
	return vital
}

// isAlert reports whether a series of that name is an alert of Prometheus's, which is
// there while it fires.
func isAlert(name string) bool { return name == "ALERTS" || name == "ALERTS_FOR_STATE" }

// address says to what a series belongs, by hashes.
type address struct {
	target uint64 // what lives and dies as one: an instance, or what one job tells of a pod
	job    uint64 // what goes on when a target does not: its job; of pods, in their namespace
	name   uint64 // the metric, in its job
	post   uint64 // the metric, of its target
}

// locate is the address of ls.
func locate(ls labels.Labels) address {
	var cluster, job, name, namespace, pod, instance string
	ls.Range(func(l labels.Label) {
		switch l.Name {
		case clusterLabel:
			cluster = l.Value
		case prommodel.JobLabel:
			job = l.Value
		case prommodel.MetricNameLabel:
			name = l.Value
		case namespaceLabel:
			namespace = l.Value
		case podLabel:
			pod = l.Value
		case prommodel.InstanceLabel:
			instance = l.Value
		}
	})
	var buf [256]byte
	b := buf[:0]
	add := func(value string) {
		b = append(binary.AppendUvarint(b, uint64(len(value))), value...)
	}
	add(cluster)
	add(job)
	inJob := len(b)
	add(name)
	at := address{name: xxhash.Sum64(b)}
	b = b[:inJob]
	if pod != "" {
		add(namespace)
	}
	at.job = xxhash.Sum64(b)
	if pod != "" {
		add(pod)
	} else {
		add(instance)
	}
	at.target = xxhash.Sum64(b)
	add(name)
	at.post = xxhash.Sum64(b)
	return at
}

// target is what one shard knows of one target. Times are the detector's flow, in ms.
type target struct {
	remark
	upSlot uint32 // of remark.up
	all    int    // series that refer to it, live or not
}

// remark is what a shard tells of a target once a minute of the detector's age: where
// it stands, and what changed since the remark before.
type remark struct {
	target, job uint64
	pod         bool
	heard       int64 // when a vital series was, last
	reset       int64 // when a counter fell last: its process began anew
	up          *foreshock.Series
	upHeard     int64
	upEnded     int64 // by a staleness marker
	upAlarmed   bool  // up's own anomaly is under way, and a rule tells of it
	members     int   // series more
	live        int   // vital series more that are heard
	fell        int   // vital series that ended or fell silent
}

// targets are those of one shard. The zero value is empty.
type targets struct {
	list  []target
	index map[uint64]uint32 // target → place in list
	free  []uint32
	told  int64 // flow when they were told of last
}

// join makes one more series belong to its target, and returns the target's place.
func (ts *targets) join(ls labels.Labels, at address) uint32 {
	if ts.index == nil {
		ts.index = map[uint64]uint32{}
	}
	i, known := ts.index[at.target]
	if !known {
		if n := len(ts.free); n > 0 {
			i, ts.free = ts.free[n-1], ts.free[:n-1]
		} else {
			i = uint32(len(ts.list))
			ts.list = append(ts.list, target{})
		}
		ts.index[at.target] = i
		ts.list[i] = target{remark: remark{target: at.target, job: at.job, pod: ls.Has(podLabel), heard: -1, reset: -1, upHeard: -1, upEnded: -1}}
	}
	t := &ts.list[i]
	t.members++
	t.all++
	return i
}

// tell appends a note of every target there is news of, and drops those that nothing
// belongs to any more.
func (s *shard) tellTargets() {
	ts := &s.targets
	for i := range ts.list {
		t := &ts.list[i]
		if t.all == 0 && t.members == 0 {
			continue // free
		}
		news := false
		if t.up != nil {
			st := s.series.at(t.upSlot)
			alarmed := st.watch != nil && st.mind.anomalous()
			t.upAlarmed, news = alarmed, alarmed != t.upAlarmed
		}
		if news || max(t.heard, t.upHeard, t.upEnded, t.reset) > ts.told || t.members != 0 || t.live != 0 || t.fell != 0 {
			s.out.remarks = append(s.out.remarks, t.remark)
		}
		t.members, t.live, t.fell = 0, 0, 0
		if t.all == 0 {
			delete(ts.index, t.target)
			*t = target{}
			ts.free = append(ts.free, uint32(i))
		}
	}
	ts.told = s.flow
}
