// Package gate stands before every HTTP handler: it bounds how many connections there are
// and how they end, what a browser may do with an answer, and what a handler that panics
// costs.
//
// A connection is half-open until its request has reached a handler: it said nothing yet,
// or drips its header. When there are too many, those go first that are half-open, the
// oldest before the others, so that who only holds connections keeps nobody out; then
// those that idle between two requests. One that is being served is never cut here: what a
// handler may take is bounded by http.Server's timeouts.
package gate

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/internal/logthrottle"
)

// Options are what a Gate needs.
type Options struct {
	// MaxConnections is how many there may be at once; it must be positive. Half of them
	// may be half-open, and half of them may come from one address.
	MaxConnections int
	Now            func() time.Time      // of the log alone; nil means time.Now
	Registerer     prometheus.Registerer // nil means unregistered
	Logger         *slog.Logger          // nil means silence
}

// Gate watches the connections of one http.Server.
type Gate struct {
	most    int
	metrics *metrics
	sparing *logthrottle.Logger

	mu       sync.Mutex
	all      map[net.Conn]*conn
	halfOpen int
	each     map[netip.Addr]int // connections by address
	accepted uint64             // so far: the order of age
}

// conn is one connection. Its fields are the Gate's mu's.
type conn struct {
	net.Conn
	from    netip.Addr
	number  uint64 // of accepted
	serving int    // requests that a handler has; several where it speaks HTTP/2
	idle    bool   // between two requests
	cut     bool   // closed by us, and counted no more
}

func (c *conn) halfOpen() bool { return c.serving == 0 && !c.idle }

// New returns a Gate that guards nothing yet.
func New(o Options) *Gate {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gate{
		most:    o.MaxConnections,
		sparing: logthrottle.New(time.Minute, o.Now, o.Logger),
		all:     map[net.Conn]*conn{}, each: map[netip.Addr]int{},
	}
	g.metrics = newMetrics(o.Registerer, g)
	return g
}

// Guard puts the gate before s, whose handler must be set.
func (g *Gate) Guard(s *http.Server) {
	s.ConnState = g.changed
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, key{}, g.admit(c))
	}
	s.Handler = g.serving(g.contained(harden(s.Handler)))
}

type key struct{}

// serving notes which connections have a request that reached a handler.
func (g *Gate) serving(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(key{}).(*conn); ok {
			g.served(c, +1)
			defer g.served(c, -1)
		}
		h.ServeHTTP(w, r)
	})
}

func (g *Gate) served(c *conn, requests int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.change(c, func() {
		c.serving += requests
		c.idle = c.serving == 0 // what is left of an answer is the server's to write
	})
}

// changed is http.Server's ConnState.
func (g *Gate) changed(nc net.Conn, s http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.all[nc]
	if c == nil {
		return // cut already
	}
	switch s {
	case http.StateActive: // the first bytes of a request: of its header, for all we know
		g.change(c, func() { c.idle = false })
	case http.StateIdle:
		g.change(c, func() { c.idle = true })
	case http.StateHijacked, http.StateClosed:
		g.forget(c)
	}
}

// change keeps the count of half-open connections right.
func (g *Gate) change(c *conn, f func()) {
	before := c.halfOpen()
	f()
	if c.cut || before == c.halfOpen() {
		return
	}
	if before {
		g.halfOpen--
	} else {
		g.halfOpen++
	}
}

// admit takes up a new connection, and cuts another one where there are too many.
func (g *Gate) admit(nc net.Conn) *conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accepted++
	c := &conn{Conn: nc, from: Sender(nc.RemoteAddr().String()), number: g.accepted}
	g.all[nc] = c
	g.each[c.from]++
	g.halfOpen++
	own := func(o *conn) bool { return o.from == c.from }
	anyone := func(*conn) bool { return true }
	switch {
	case g.each[c.from] > max(g.most/2, 1):
		g.makeRoom(c, own)
	case len(g.all) > g.most, g.halfOpen > max(g.most/2, 1):
		g.makeRoom(c, anyone)
	}
	return c
}

// makeRoom cuts the oldest half-open connection among those, or the oldest idle one, or
// the newcomer where all others are being served.
func (g *Gate) makeRoom(newcomer *conn, among func(*conn) bool) {
	var half, idle *conn
	for _, c := range g.all {
		switch {
		case c == newcomer || !among(c):
		case c.halfOpen() && (half == nil || c.number < half.number):
			half = c
		case c.idle && (idle == nil || c.number < idle.number):
			idle = c
		}
	}
	switch {
	case half != nil:
		g.cut(half, cutHalfOpen)
	case idle != nil:
		g.cut(idle, cutIdle)
	default:
		g.cut(newcomer, cutFull)
	}
}

func (g *Gate) cut(c *conn, why string) {
	g.metrics.cut.WithLabelValues(why).Inc()
	g.sparing.Log(slog.LevelWarn, "too many connections: cut one", "state", why, "remote", c.RemoteAddr().String(), "connections", len(g.all), "half_open", g.halfOpen)
	g.forget(c)
	// Not a TLS connection's own Close, which would wait to say goodbye.
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = c.Close()
}

func (g *Gate) forget(c *conn) {
	if c.halfOpen() {
		g.halfOpen--
	}
	c.cut = true
	delete(g.all, c.Conn)
	if g.each[c.from]--; g.each[c.from] == 0 {
		delete(g.each, c.from)
	}
}

// states are how many connections there are: half-open, idle and being served.
func (g *Gate) states() (half, idle, serving int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.all {
		switch {
		case c.serving > 0:
			serving++
		case c.idle:
			idle++
		}
	}
	return g.halfOpen, idle, serving
}

// Sender is who is at the other end of a connection, as far as fairness between senders
// goes: an address without its port. Of version 6 it is the network of 64 bits that one
// machine has to itself. What has no such address, such as a Unix socket, is one sender.
func Sender(remote string) netip.Addr {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := a.Addr().Unmap().WithZone("")
	if addr.Is6() {
		p, _ := addr.Prefix(64) // 64 of 128 bits cannot fail
		return p.Addr()
	}
	return addr
}
