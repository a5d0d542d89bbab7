// Package logthrottle keeps what fails often from filling the log: each message is
// written at its own level once a while, with the number of those that were not, and
// at debug level every time, for who looks into it.
package logthrottle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Logger writes each message at most once every so often. It is safe for concurrent
// use.
type Logger struct {
	every  time.Duration
	now    func() time.Time
	logger *slog.Logger

	mu       sync.Mutex
	messages map[string]*message
}

// message is what became of one message of late.
type message struct {
	next       time.Time // when it may be written again
	suppressed int
}

// New returns a Logger that writes to logger, a message every so often at most by the
// clock now.
func New(every time.Duration, now func() time.Time, logger *slog.Logger) *Logger {
	return &Logger{every: every, now: now, logger: logger, messages: map[string]*message{}}
}

// Log writes msg and args, with the number of times msg was suppressed since it was
// last written, or suppresses it: then it appears at debug level only. Messages are
// remembered for good, so msg must be a constant and what varies belongs into args.
func (l *Logger) Log(level slog.Level, msg string, args ...any) {
	if suppressed, ok := l.take(msg); ok {
		args = append(args, "suppressed", suppressed)
	} else {
		level = slog.LevelDebug
	}
	l.logger.Log(context.Background(), level, msg, args...)
}

// take reports whether msg may be written now, and how many were not.
func (l *Logger) take(msg string) (suppressed int, ok bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[msg]
	if m == nil {
		m = &message{}
		l.messages[msg] = m
	}
	if now.Before(m.next) {
		m.suppressed++
		return 0, false
	}
	suppressed = m.suppressed
	m.next, m.suppressed = now.Add(l.every), 0
	return suppressed, true
}
