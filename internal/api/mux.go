package api

import (
	"net/http"
	"slices"
)

// Mux is an http.ServeMux that knows its patterns. A Mux in it is known by its own.
type Mux struct {
	mux      http.ServeMux
	patterns []string
}

// Handle registers h as http.ServeMux does, and panics as it does.
func (m *Mux) Handle(pattern string, h http.Handler) {
	m.mux.Handle(pattern, h)
	if inner, ok := h.(*Mux); ok {
		m.patterns = append(m.patterns, inner.patterns...)
	} else {
		m.patterns = append(m.patterns, pattern)
	}
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Patterns are what has a handler that is no Mux, sorted, each once.
func (m *Mux) Patterns() []string { return slices.Compact(slices.Sorted(slices.Values(m.patterns))) }
