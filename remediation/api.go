package remediation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/foreshock/foreshock"
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
// A decision needs the webhook's token, or a verified client certificate. It counts
// once, and only for the very plan whose hash it names.
func (r *Remediation) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/remediations", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, r.list())
	})
	mux.HandleFunc("POST /api/v1/remediations/{id}/approve", func(w http.ResponseWriter, req *http.Request) {
		r.serveDecision(w, req, true)
	})
	mux.HandleFunc("POST /api/v1/remediations/{id}/deny", func(w http.ResponseWriter, req *http.Request) {
		r.serveDecision(w, req, false)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, req)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
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
	body, ok := readJSON(w, req, maxDecision)
	if !ok {
		return
	}
	var d decision
	if err := json.Unmarshal(body, &d); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if d.Approver = strings.TrimSpace(d.Approver); d.Approver == "" || len(d.Approver) > maxApprover {
		http.Error(w, fmt.Sprintf("approver must be of 1 to %d bytes", maxApprover), http.StatusBadRequest)
		return
	}
	e, err := r.decide(req.PathValue("id"), d, yes)
	switch conflict := (*conflict)(nil); {
	case errors.Is(err, errNotFound):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.As(err, &conflict):
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		r.logger.Error("Decision was not recorded", "err", err)
		http.Error(w, "not recorded, try again", statusOf(err))
	default:
		writeJSON(w, http.StatusOK, e)
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
	case e.State != Waiting:
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
		e.State, e.ApprovedAt = Approved, now
	} else {
		e.State, e.FinishedAt, e.Reason = Cancelled, now, "denied"
	}
	if err := r.ledger.record(e); err != nil {
		return entry{}, err
	}
	r.tell(e)
	r.signal()
	return e, nil
}
