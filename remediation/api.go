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

// API lists the plans and takes people's decisions:
//
//	GET  /api/v1/remediations               the plans, newest first
//	POST /api/v1/remediations/{id}/approve  {"hash": "…", "approver": "…"}
//	POST /api/v1/remediations/{id}/deny     {"hash": "…", "approver": "…"}
//
// A decision needs the webhook's token. It counts once, and only for the very plan
// whose hash it names. The list leaves hash and output out where nobody proved who
// asks: outputs are other programs' words and may hold anything.
func (r *Remediation) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/remediations", func(w http.ResponseWriter, req *http.Request) {
		l := r.list()
		if r.authorize(req) != http.StatusOK {
			for i := range l {
				l[i].Hash, l[i].Output = "", ""
			}
		}
		r.answer(w, l)
	})
	mux.HandleFunc("POST /api/v1/remediations/{id}/approve", func(w http.ResponseWriter, req *http.Request) {
		r.serveDecision(w, req, true)
	})
	mux.HandleFunc("POST /api/v1/remediations/{id}/deny", func(w http.ResponseWriter, req *http.Request) {
		r.serveDecision(w, req, false)
	})
	return mux
}

// list returns the plans, newest first, with the beginning of their output.
func (r *Remediation) list() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := slices.Clone(r.ledger.entries)
	slices.Reverse(l)
	for i := range l {
		l[i].Output = clip(l[i].Output, listedOutput)
	}
	if l == nil {
		return []entry{}
	}
	return l
}

func (r *Remediation) serveDecision(w http.ResponseWriter, req *http.Request, yes bool) {
	if !r.authorized(w, req) {
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
	now := r.now()
	switch {
	case e.State != stateWaiting:
		return entry{}, &conflict{fmt.Sprintf("is %s and waits for nobody", e.State)}
	case e.Hash != d.Hash:
		return entry{}, &conflict{"the hash is not that of the plan that waits"}
	case !now.Before(e.ExpiresAt):
		if err := r.ledger.record(expired(e, now)); err != nil {
			return entry{}, err
		}
		return entry{}, &conflict{"expired"}
	}
	e.Approver = d.Approver
	if yes {
		e.State, e.ApprovedAt = stateApproved, now
	} else {
		e.State, e.FinishedAt, e.Reason = stateCancelled, now, "denied"
	}
	if err := r.ledger.record(e); err != nil {
		return entry{}, err
	}
	r.tell(e)
	r.signal()
	return e, nil
}
