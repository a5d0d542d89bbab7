package remediation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/foreshock/foreshock"
)

// order is what a person said about all remedies, or about those of one rule.
type order struct {
	Verb   string    `json:"verb"`
	Rule   string    `json:"rule,omitempty"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`

	// From is the replica that was told, where there is a lease. What has none is about one
	// replica alone: that its ledger is damaged, for example.
	From string `json:"from,omitempty"`
	// Shared says that it stands beside the lease, where all replicas hear of it.
	Shared bool `json:"shared,omitempty"`
}

// The verbs of an order.
const (
	verbPause  = "pause"
	verbResume = "resume"
	verbClose  = "close-breaker"
)

// is reports whether both are the same order.
func (o order) is(other order) bool {
	return o.Verb == other.Verb && o.From == other.From && o.At.Equal(other.At)
}

func (o order) String() string {
	s := fmt.Sprintf("paused by %s at %s", o.By, o.At.UTC().Format(time.RFC3339))
	if o.From != "" {
		s += " at replica " + o.From
		if !o.Shared {
			s += ", of which the others do not know yet"
		}
	}
	if o.Reason != "" {
		s += ": " + o.Reason
	}
	return s
}

// killSwitch says whether remedies are paused. Three things say so, and each of them is
// enough: the order that was given last, to this replica or another, which the ledger keeps;
// the file, which anybody who can write to the state directory may put there; and not being
// able to look for it.
type killSwitch struct {
	file string
	// thrown is set before anything else is done about a pause, so that what follows
	// may take its time.
	thrown atomic.Pointer[order]
}

// maxPauseFile bounds what is read of the file, in bytes.
const maxPauseFile = 4 << 10

// look returns why remedies are paused, or nil.
func (k *killSwitch) look() *order {
	if o := k.thrown.Load(); o != nil {
		return o
	}
	unreadable := func(err error) *order {
		return &order{Verb: verbPause, By: "foreshock", Reason: fmt.Sprintf("the kill switch cannot be read: %v", err)}
	}
	if _, err := os.Lstat(filepath.Dir(k.file)); err != nil {
		return unreadable(err)
	}
	info, err := os.Lstat(k.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unreadable(err)
	}
	o := &order{Verb: verbPause, By: "the file " + filepath.Base(k.file), At: info.ModTime().UTC()}
	if info.Mode().IsRegular() && info.Size() <= maxPauseFile {
		if text, err := os.ReadFile(k.file); err == nil {
			var written order
			if json.Unmarshal(text, &written) == nil && written.By != "" && !written.At.IsZero() {
				return &written
			}
			o.Reason = clip(strings.TrimSpace(string(text)), maxReason)
		}
	}
	return o
}

// write leaves the file for the next process, and for people to see.
func (k *killSwitch) write(o order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(k.file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// clean removes a file that a Pause left. One that a person put there is theirs to remove.
func (k *killSwitch) clean() error {
	text, err := os.ReadFile(k.file)
	var written order
	if err != nil || json.Unmarshal(text, &written) != nil || written.By == "" {
		return nil
	}
	return os.Remove(k.file)
}

// paused says why nothing may act, or "". Mode auto acts only once a person has resumed
// remedies for the first time.
func (r *Remediation) paused(s *settings) string {
	if o := r.killSwitch.look(); o != nil {
		return o.String()
	}
	if o := r.lease.order(); o.Verb == verbPause && r.isNews(o) {
		return o.String()
	}
	if s.config.Mode == Auto && !r.ledger.resumed {
		return "mode auto starts paused, until a person resumes it once: foreshock remediation resume"
	}
	return ""
}

// Pause is the kill switch. No action starts after it was called, whatever it returns; what
// waits is cancelled, what runs is left to end. It outlives a restart, and only Resume
// ends it. An error says that some of that could not be written down, or that other replicas
// could not be told.
func (r *Remediation) Pause(by, reason string) error {
	o := r.ordered(verbPause, by, reason)
	r.killSwitch.thrown.Store(&o)
	if err := r.pause(&o); err != nil {
		return errors.Join(err, r.share())
	}
	return r.share()
}

// ordered is what a person tells this replica.
func (r *Remediation) ordered(verb, by, reason string) order {
	return order{Verb: verb, By: clip(by, maxApprover), Reason: clip(reason, maxReason), At: r.now(), From: r.lease.name()}
}

func (r *Remediation) pause(o *order) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.Join(foreshock.ErrClosed, r.killSwitch.write(*o))
	}
	r.killSwitch.thrown.Store(o) // a Resume may have held the mutex meanwhile
	return r.halt(*o, r.killSwitch.write(*o))
}

// halt records the pause and cancels what waits. The mutex is held.
func (r *Remediation) halt(o order, written error) error {
	r.logger.Warn("remedies paused", "by", o.By, "reason", o.Reason)
	r.metrics.paused.Set(1)
	err := errors.Join(written, r.ledger.write(page{Orders: []order{o}}))
	var cancelled []entry
	for _, e := range r.ledger.entries {
		if e.State.waits() {
			e.State, e.FinishedAt, e.Reason = stateCancelled, o.At, o.String()
			cancelled = append(cancelled, e)
		}
	}
	if failed := r.ledger.record(cancelled...); failed != nil {
		return errors.Join(err, failed)
	}
	for _, e := range cancelled {
		r.tell(e)
	}
	return err
}

// Resume ends a pause, at all replicas, and lets mode auto act for the first time.
func (r *Remediation) Resume(by, reason string) error {
	o := r.ordered(verbResume, by, reason)
	if r.lease != nil {
		o.Shared = true
		if err := r.lease.tell(r.act, o); err != nil {
			return fmt.Errorf("still paused, since the other replicas cannot be told: %w", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return foreshock.ErrClosed
	}
	if err := os.Remove(r.killSwitch.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("still paused: %w", err)
	}
	return r.lift(o)
}

// lift ends the pause that is no file's. The mutex is held.
func (r *Remediation) lift(o order) error {
	if err := r.ledger.write(page{Orders: []order{o}}); err != nil {
		return err
	}
	r.killSwitch.thrown.Store(nil)
	r.metrics.paused.Set(0)
	r.logger.Warn("remedies resumed", "by", o.By, "reason", o.Reason)
	return nil
}

// heed makes a pause that only the file tells of one that the ledger knows: it does not end
// when the file is gone, but when a person says so.
func (r *Remediation) heed() {
	r.hear()
	o := r.killSwitch.look()
	if o == nil || r.killSwitch.thrown.Load() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.killSwitch.thrown.Load() != nil {
		return
	}
	if o.At.IsZero() { // it cannot be looked at, which is this replica's own trouble
		o.At = r.now()
	} else {
		o.From, o.Shared = r.lease.name(), false
	}
	r.killSwitch.thrown.Store(o)
	if err := r.halt(*o, nil); err != nil {
		r.logger.Error("pause not recorded", "err", err)
	}
}

// CloseBreaker lets a rule act again whose failures opened its circuit breaker.
func (r *Remediation) CloseBreaker(rule, by, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return foreshock.ErrClosed
	}
	if len(r.ledger.failures[rule]) == 0 {
		return errNotFound
	}
	o := order{Verb: verbClose, Rule: rule, By: clip(by, maxApprover), Reason: clip(reason, maxReason), At: r.now()}
	if err := r.ledger.write(page{Orders: []order{o}}); err != nil {
		return err
	}
	r.logger.Warn("circuit breaker closed", "rule", rule, "by", o.By, "reason", o.Reason)
	return nil
}
