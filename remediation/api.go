package remediation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
)

const (
	// maxDecision bounds the body of an approval, in bytes.
	maxDecision = 4 << 10

	// maxApprover bounds a name, in bytes.
	maxApprover = 128

	// listedOutput is how much of an action's output the list shows, in bytes, so
	// that the list stays around a megabyte. The ledger has the rest.
	listedOutput = 4 << 10
)

// decision is the body of POST …/approve and …/deny.
type decision struct {
	// Hash is that of the plan the person saw.
	Hash string `json:"hash"`
	// Approver is who decides.
	Approver string `json:"approver"`
}

// instruction is the body of POST …/pause, …/resume and …/close-breaker.
type instruction struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	Rule   string `json:"rule,omitempty"` // of close-breaker
}

// What API answers.
var (
	listing  = api.Operation{Pattern: "GET /api/v1/remediations", Summary: "The plans that are kept, 256 and those that are not settled, newest first, with up to 4 KiB of output each.", Answer: []entry{}}
	showing  = api.Operation{Pattern: "GET /api/v1/remediations/{id}", Summary: "One plan, with all of its output.", Answer: entry{}}
	bearing  = api.Operation{Pattern: "GET /api/v1/remediations/standing", Summary: "What guards all plans: mode, pause, circuit breakers.", Answer: standing{}}
	approval = api.Operation{Pattern: "POST /api/v1/remediations/{id}/approve", Summary: "Approve the plan that has that hash.", Body: decision{}, Token: true, Answer: entry{}}
	denial   = api.Operation{Pattern: "POST /api/v1/remediations/{id}/deny", Summary: "Deny the plan that has that hash.", Body: decision{}, Token: true, Answer: entry{}}
	pausing  = api.Operation{Pattern: "POST /api/v1/remediations/" + verbPause, Summary: "Let nothing start.", Body: instruction{}, Token: true, Answer: standing{}}
	resuming = api.Operation{Pattern: "POST /api/v1/remediations/" + verbResume, Summary: "End a pause.", Body: instruction{}, Token: true, Answer: standing{}}
	notice   = api.Operation{Pattern: "POST /api/v1/alertmanager/webhook", Summary: "Take the alerts that Alertmanager's webhook sends, version 4.", BodyType: "application/json", Token: true}
	closing  = api.Operation{Pattern: "POST /api/v1/remediations/" + verbClose, Summary: "Close the circuit breaker of a rule.", Body: instruction{}, Token: true, Answer: standing{}}
)

// Operations are all that API and Webhook answer.
func Operations() []api.Operation {
	return []api.Operation{notice, listing, showing, bearing, approval, denial, pausing, resuming, closing}
}

// API lists the plans and takes people's decisions, as Operations has it.
//
// A decision needs the approval token; either token may pause. A decision counts once, and
// only for the very plan whose hash it names. What is read leaves hash and output out where
// nobody proved who asks: outputs are other programs' words and may hold anything.
func (r *Remediation) API() *api.Mux {
	mux := new(api.Mux)
	handle := func(op api.Operation, h http.HandlerFunc) { mux.Handle(op.Pattern, h) }
	handle(listing, func(w http.ResponseWriter, req *http.Request) {
		l := r.list()
		for i := range l {
			l[i].Output = clip(l[i].Output, listedOutput)
		}
		r.veil(req, l)
		r.answer(w, l)
	})
	handle(showing, func(w http.ResponseWriter, req *http.Request) {
		l := r.list()
		i := slices.IndexFunc(l, func(e entry) bool { return e.ID == req.PathValue("id") })
		if i < 0 {
			api.Refuse(w, http.StatusNotFound, errNotFound.Error())
			return
		}
		r.veil(req, l[i:i+1])
		r.answer(w, l[i])
	})
	handle(bearing, func(w http.ResponseWriter, req *http.Request) {
		status, _ := r.either(req)
		r.answer(w, r.standing(status == http.StatusOK))
	})
	handle(approval, func(w http.ResponseWriter, req *http.Request) { r.serveDecision(w, req, true) })
	handle(denial, func(w http.ResponseWriter, req *http.Request) { r.serveDecision(w, req, false) })
	handle(pausing, func(w http.ResponseWriter, req *http.Request) {
		r.serveOrder(w, req, r.either, func(c instruction) error { return r.Pause(c.By, c.Reason) })
	})
	handle(resuming, func(w http.ResponseWriter, req *http.Request) {
		r.serveOrder(w, req, r.person, func(c instruction) error { return r.Resume(c.By, c.Reason) })
	})
	handle(closing, func(w http.ResponseWriter, req *http.Request) {
		r.serveOrder(w, req, r.person, func(c instruction) error { return r.CloseBreaker(c.Rule, c.By, c.Reason) })
	})
	return mux
}

// veil leaves out of the entries what not everybody may read.
func (r *Remediation) veil(req *http.Request, l []entry) {
	if status, _ := r.either(req); status == http.StatusOK {
		return
	}
	for i := range l {
		l[i].Hash, l[i].Output, l[i].Rehearsal = "", "", ""
	}
}

// standing is what guards all plans, as the API shows it.
type standing struct {
	Mode Mode `json:"mode"`
	// Paused says why nothing may act, "" if something may.
	Paused string `json:"paused,omitempty"`
	// Breakers are the failed plans that are counted, by rule; two open the rule's
	// circuit breaker.
	Breakers map[string][]string `json:"breakers"`
	// Acted is how many actions were started within the hour.
	Acted int `json:"acted"`
	// Running is how many are under way.
	Running int `json:"running"`
}

// standing is as things are. The reason of a pause is for those who may ask.
func (r *Remediation) standing(all bool) standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.settings.Load()
	st := standing{
		Mode: s.config.Mode, Paused: r.paused(s), Breakers: map[string][]string{},
		Acted: len(r.ledger.launches.within(ceilingWindow, r.moment())), Running: len(r.hands),
	}
	for rule, failed := range r.ledger.failures {
		st.Breakers[rule] = slices.Clone(failed)
	}
	if !all && st.Paused != "" {
		st.Paused = "paused"
	}
	return st
}

// serveOrder reads an instruction, has it obeyed, and answers how things are then.
func (r *Remediation) serveOrder(w http.ResponseWriter, req *http.Request, through door, give func(instruction) error) {
	if !r.authorized(w, req, through) {
		return
	}
	body, ok := api.Body(w, req, maxDecision)
	if !ok {
		return
	}
	var c instruction
	if err := json.Unmarshal(body, &c); err != nil {
		api.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if c.By = strings.TrimSpace(c.By); c.By == "" || len(c.By) > maxApprover {
		api.Refuse(w, http.StatusBadRequest, fmt.Sprintf("by: must be from 1 to %d bytes", maxApprover))
		return
	}
	switch err := give(c); {
	case errors.Is(err, errNotFound):
		api.Refuse(w, http.StatusNotFound, fmt.Sprintf("no failure of rule %.100q is counted", c.Rule))
	case err != nil:
		r.logger.Error("order not recorded", "err", err)
		api.Refuse(w, statusOf(err), "not recorded, try again: "+err.Error())
	default:
		r.answer(w, r.standing(true))
	}
}

// list returns the plans, newest first.
func (r *Remediation) list() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := slices.Clone(r.ledger.entries)
	slices.Reverse(l)
	if l == nil {
		return []entry{}
	}
	return l
}

func (r *Remediation) serveDecision(w http.ResponseWriter, req *http.Request, yes bool) {
	if !r.authorized(w, req, r.person) {
		return
	}
	body, ok := api.Body(w, req, maxDecision)
	if !ok {
		return
	}
	var d decision
	if err := json.Unmarshal(body, &d); err != nil {
		api.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if d.Approver = strings.TrimSpace(d.Approver); d.Approver == "" || len(d.Approver) > maxApprover {
		api.Refuse(w, http.StatusBadRequest, fmt.Sprintf("approver: must be from 1 to %d bytes", maxApprover))
		return
	}
	e, err := r.decide(req.PathValue("id"), d, yes)
	switch conflict := (*conflict)(nil); {
	case errors.Is(err, errNotFound):
		api.Refuse(w, http.StatusNotFound, err.Error())
	case errors.As(err, &conflict):
		api.Refuse(w, http.StatusConflict, err.Error())
	case err != nil:
		r.logger.Error("decision not recorded", "err", err)
		api.Refuse(w, statusOf(err), "not recorded, try again")
	default:
		r.answer(w, e)
	}
}

var errNotFound = errors.New("no such remediation")

// conflict is a decision that comes too late or is about something else.
type conflict struct{ text string }

func (c *conflict) Error() string { return c.text }

// decide records a person's yes or no.
func (r *Remediation) decide(id string, d decision, yes bool) (entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return entry{}, foreshock.ErrClosed
	}
	i := r.ledger.find(id)
	if i < 0 {
		return entry{}, errNotFound
	}
	e := r.ledger.entries[i]
	now := r.moment()
	switch {
	case e.State != stateWaiting:
		return entry{}, &conflict{fmt.Sprintf("is %s and waits for nobody", e.State)}
	case e.Hash != d.Hash:
		return entry{}, &conflict{"the hash is not that of the plan that waits"}
	case r.lease.elsewhere() != "":
		return entry{}, &conflict{fmt.Sprintf("replica %.100s holds the lease and asks for itself: decide there", r.lease.elsewhere())}
	case r.isDue(e, now):
		if err := r.ledger.record(expired(e, now.wall)); err != nil {
			return entry{}, err
		}
		return entry{}, &conflict{"expired"}
	}
	e.Approver = d.Approver
	if yes {
		e.State, e.ApprovedAt, e.up = stateApproved, now.wall, now.up
	} else {
		e.State, e.FinishedAt, e.Reason = stateCancelled, now.wall, "denied"
	}
	if err := r.ledger.record(e); err != nil {
		return entry{}, err
	}
	r.tell(e)
	r.signal()
	return e, nil
}
