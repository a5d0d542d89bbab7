package api

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// What a Mux in a Mux serves is known once, and its own wherever it is mounted.
func TestAMuxKnowsItsPatterns(t *testing.T) {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	inner, outer := new(Mux), new(Mux)
	inner.Handle("GET /a/{id}", say("one"))
	inner.Handle("GET /a", say("all"))
	outer.Handle("/a", inner)
	outer.Handle("/a/", inner)
	outer.Handle("/", say("page"))
	if got := outer.Patterns(); !slices.Equal(got, []string{"/", "GET /a", "GET /a/{id}"}) {
		t.Error(got)
	}
	for path, want := range map[string]string{"/a": "all", "/a/1": "one", "/b": "page"} {
		w := httptest.NewRecorder()
		outer.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Body.String() != want {
			t.Errorf("%s: %s, want %s", path, w.Body, want)
		}
	}
}
