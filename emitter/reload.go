package emitter

import (
	"reflect"
	"slices"

	"github.com/foreshock/foreshock"
)

// Prepare does all of a change to o that may fail. The commit it returns does the
// rest, which cannot; one that is not called leaves nothing behind. One change is
// made at a time. After Close a change is refused, and a commit does nothing.
//
// A destination whose configuration stays the same, or changes only in how it is
// reached, keeps its queue. One that goes, or would name its series in another way,
// ends them and has a little time to deliver what it has; what takes its place waits
// for that. The clock, the registerer and the logger stay as they were.
func (e *Emitter) Prepare(o Options) (commit func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, foreshock.ErrClosed
	}
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	alerting, err := e.alertmanager.prepare(o)
	if err != nil {
		return nil, err
	}
	remote, wires, err := e.prepareRemoteWrites(o)
	if err != nil {
		return nil, err
	}
	lines, err := e.prepareJSONLines(o.Config.JSONLines)
	if err != nil {
		return nil, err
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.closed {
			return
		}
		alerting()
		for w, wire := range wires {
			w.rewire(wire)
		}
		e.metrics.findingsDropped.Add(float64(e.inbox.resize(o.Config.QueueCapacity)))
		if lines != nil {
			e.metrics.linesDropped.Add(float64(lines.queue.resize(o.Config.QueueCapacity)))
		}
		e.recall.setKeep(o.Recall.Milliseconds())
		e.change(o, remote, lines)
	}, nil
}

// change goes over to the destinations of o, which are remote and lines. The caller
// holds mu.
func (e *Emitter) change(o Options, remote []*remoteWrite, lines *jsonLines) {
	before := e.destinations()
	markers := e.table.apply(o.Config, o.Rules)
	for _, d := range before {
		d.deliver(foreshock.Report{}, markers)
	}
	e.remote, e.lines = remote, lines
	after := e.destinations()
	markers = e.table.markers()
	for _, d := range before {
		if !slices.Contains(after, d) {
			d.deliver(foreshock.Report{}, markers)
			e.retire(d)
		}
	}
	for _, w := range remote {
		e.metrics.destination(w.name)
	}
	e.leaving = slices.DeleteFunc(e.leaving, (*running).ended)
	for _, d := range after {
		if e.started && !slices.Contains(before, d) {
			e.start(d)
		}
	}
}

// prepareRemoteWrites returns a destination for every remote write of o, the one there
// is where it writes the same series to the same place, and the wires for those that
// are new or change theirs. The caller holds mu.
func (e *Emitter) prepareRemoteWrites(o Options) ([]*remoteWrite, map[*remoteWrite]*wire, error) {
	all := make([]*remoteWrite, len(o.RemoteWrite))
	wires := map[*remoteWrite]*wire{}
	names := map[string]bool{}
	for i, c := range o.RemoteWrite {
		w := newRemoteWrite(remoteWriteName(c, names), c, o.ExternalLabels, o.Config.Names, e.destinationOptions)
		if k := slices.IndexFunc(e.remote, w.continues); k >= 0 {
			w = e.remote[k]
		} else {
			var err error
			if w.outbox, err = e.outboxes.of(w.target); err != nil {
				return nil, nil, err
			}
		}
		all[i] = w
		// The comparison sees secrets, which the YAML would hide.
		if now := w.wire.Load(); now != nil && reflect.DeepEqual(now.config, c) {
			continue
		}
		next, err := connect(w.name, c, c.ProtobufMessage)
		if err != nil {
			return nil, nil, err
		}
		wires[w] = next
	}
	return all, wires, nil
}

// prepareJSONLines returns the destination for c, which may be the one there is, or
// nil. The caller holds mu.
func (e *Emitter) prepareJSONLines(c JSONLinesConfig) (*jsonLines, error) {
	switch {
	case c.File == "":
		return nil, nil
	case e.lines != nil && e.lines.config == c:
		return e.lines, nil
	default:
		return newJSONLines(c, e.destinationOptions)
	}
}
