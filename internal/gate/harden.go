package gate

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/foreshock/foreshock/internal/api"
)

// policy lets a page load and ask its own origin, and nothing else; it holds for answers
// that are no page as well, should a browser take one for that.
var policy = map[string]string{
	"Content-Security-Policy":      "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// harden keeps browsers from doing anything an answer does not need, and pages of other
// origins from changing anything with a visitor's certificate or password. Who is no
// browser says no origin and is let through.
func harden(h http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		api.Refuse(w, http.StatusForbidden, "a page of another origin may not do this")
	}))
	guarded := sameOrigin.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range policy {
			w.Header().Set(name, value)
		}
		guarded.ServeHTTP(w, r)
	})
}

// Browserless lets no browser through, of whatever origin: for what has no token of its
// own and no page needs. A page whose name was bound to our address anew has our origin.
func Browserless(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, said := range []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
			if r.Header.Get(said) != "" {
				api.Refuse(w, http.StatusForbidden, "not for browsers")
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// maxStack is how much of the stack of a panic is logged, in bytes: where it was, not how
// it came there.
const maxStack = 2 << 10

// contained answers 500 where a handler panics, and says once a minute where. Without it
// the client would see a reset, and the log nothing at all.
func (g *Gate) contained(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { // wants no answer, and no word of it
				panic(p)
			}
			g.metrics.panics.Inc()
			stack := debug.Stack()
			g.sparing.Log(slog.LevelError, "a request made its handler panic", "path", clip(r.URL.Path, 100), "panic", p, "stack", string(stack[:min(len(stack), maxStack)]))
			api.Refuse(w, http.StatusInternalServerError, "failed unexpectedly: the log says where")
		}()
		h.ServeHTTP(w, r)
	})
}

func clip(s string, most int) string { return s[:min(len(s), most)] }
