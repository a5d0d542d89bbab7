package remediation

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
)

// door says who is let in: 200, 401, or 403 where nobody can be, and what would change that.
type door func(*http.Request) (status int, shut string)

// sender lets in Alertmanager: who has the webhook's token. Where there is one it is demanded
// of everybody: a certificate good for sending samples is not a permission to act.
func (r *Remediation) sender(req *http.Request) (int, string) {
	const shut = "closed until remediation.webhook_token is set"
	switch s := r.settings.Load(); {
	case s.hasToken:
		return bearer(req, s.token), shut
	case r.verifiedClients && req.TLS != nil && len(req.TLS.VerifiedChains) > 0:
		return http.StatusOK, ""
	case r.verifiedClients:
		return http.StatusUnauthorized, shut
	}
	return http.StatusForbidden, shut
}

// person lets in who may decide: who has the approval token, and nobody who can only send
// alerts.
func (r *Remediation) person(req *http.Request) (int, string) {
	const shut = "closed until remediation.approval_token is set"
	if s := r.settings.Load(); s.hasApproval {
		return bearer(req, s.approval), shut
	}
	return http.StatusForbidden, shut
}

// either lets in both, for what makes nothing happen.
func (r *Remediation) either(req *http.Request) (int, string) {
	if status, _ := r.person(req); status == http.StatusOK {
		return status, ""
	}
	return r.sender(req)
}

// bearer compares the request's token with one whose hash is want.
func bearer(req *http.Request, want [sha256.Size]byte) int {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
		return http.StatusOK
	}
	return http.StatusUnauthorized
}

// authorized answers the request itself where the door is closed to it.
func (r *Remediation) authorized(w http.ResponseWriter, req *http.Request, through door) bool {
	status, reason := through(req)
	if status == http.StatusOK {
		return true
	}
	r.metrics.unauthorized.Inc()
	r.metrics.refusals[refusedAuthentication].Inc()
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="foreshock"`)
		reason = "a token is needed"
	}
	api.Refuse(w, status, reason)
	return false
}

// Guard lets through to h whoever has one of the tokens.
func (r *Remediation) Guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.authorized(w, req, r.either) {
			h.ServeHTTP(w, req)
		}
	})
}

// statusOf is the answer for what we, not the client, failed at.
func statusOf(err error) int {
	if errors.Is(err, foreshock.ErrClosed) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func (r *Remediation) answer(w http.ResponseWriter, data any) {
	if err := api.Answer(w, data); err != nil {
		r.logger.Error("request not answered", "err", err)
	}
}
