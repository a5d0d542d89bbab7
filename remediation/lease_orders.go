package remediation

import (
	"context"
	"errors"
	"fmt"
)

// A kill switch that one of two replicas heard would be none. So the last pause or resume that
// a person told any replica stands in the lease itself: who tells it changes the lease, which
// lets no holder act before it has read it again, and whoever takes the lease has read it.

// orderTries is how often the lease may change while an order is written into it: its holder
// prolongs it every leaseInterval, and before every action.
const orderTries = 10

// name is this replica's, "" where there is no lease.
func (l *elector) name() string {
	if l == nil {
		return ""
	}
	return l.self
}

// order is the last one in the lease, as far as this replica has read it.
func (l *elector) order() order {
	if l == nil {
		return order{}
	}
	return l.seen().Order
}

// elsewhere is the replica that decides, where that is another one.
func (l *elector) elsewhere() string {
	if l == nil {
		return ""
	}
	if holder := l.seen().Holder; holder != l.self {
		return holder
	}
	return ""
}

// tell writes the order into the lease, whoever holds it.
func (l *elector) tell(ctx context.Context, o order) (err error) {
	defer l.alone()()
	for range orderTries {
		if err = l.post(ctx, o); !errors.Is(err, errConflict) {
			return err
		}
	}
	return err
}

func (l *elector) post(ctx context.Context, o order) error {
	r, err := l.look(ctx)
	if err != nil {
		return err
	}
	r.Order = o
	return l.write(ctx, r)
}

// prolong shows that nobody has taken the lease. Where it is not as it was last seen, because
// somebody gave an order for example, it is read again, once.
func (l *elector) prolong(ctx context.Context) error {
	held := l.seen()
	err := l.write(ctx, held)
	if !errors.Is(err, errConflict) {
		return err
	}
	r, unread := l.look(ctx)
	if unread != nil || r.Holder != l.self || r.Term != held.Term {
		return errors.Join(err, unread)
	}
	return l.write(ctx, r)
}

// share tells the other replicas of a pause that they have not heard of.
func (r *Remediation) share() error {
	o := r.killSwitch.thrown.Load()
	if r.lease == nil || o == nil || o.From == "" || o.Shared {
		return nil
	}
	told := *o
	told.Shared = true
	if err := r.lease.tell(r.act, told); err != nil {
		return fmt.Errorf("paused here; the other replicas cannot be told, and may act until they are: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.killSwitch.thrown.Load() != o {
		return nil // there is a later order
	}
	r.killSwitch.thrown.Store(&told)
	return r.ledger.write(page{Orders: []order{told}})
}

// hear obeys what a person told another replica.
func (r *Remediation) hear() {
	o := r.lease.order()
	if o.Verb == "" || o.From == "" || !o.Shared { // a replica wrote none such
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.isNews(o) {
		return
	}
	o.By, o.Reason = clip(o.By, maxApprover), clip(o.Reason, maxReason) // from the store, which may hold anything
	var err error
	switch o.Verb {
	case verbPause:
		r.killSwitch.thrown.Store(&o)
		err = r.halt(o, nil)
	case verbResume:
		err = errors.Join(r.killSwitch.clean(), r.lift(o))
	}
	if err != nil {
		r.logger.Error("order of another replica not recorded", "err", err)
	}
}

// isNews reports whether the order in the lease has still to be obeyed. A pause that the
// others have not heard of is the later one; and what is this replica's own trouble, a person
// ends here. The mutex is held.
func (r *Remediation) isNews(o order) bool {
	thrown := r.killSwitch.thrown.Load()
	return !o.is(r.ledger.heard) && (thrown == nil || thrown.Shared)
}
