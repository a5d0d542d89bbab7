package emitter

import (
	"context"
	"log/slog"
	"time"
)

// sparingly logs at most once a minute: a downstream that fails, fails often. It is
// for one goroutine.
type sparingly struct {
	now      func() time.Time
	logger   *slog.Logger
	loggedAt time.Time
	silent   int
}

func newSparingly(now func() time.Time, logger *slog.Logger) *sparingly {
	return &sparingly{now: now, logger: logger}
}

func (s *sparingly) log(level slog.Level, msg string, args ...any) {
	now := s.now()
	if now.Sub(s.loggedAt) < time.Minute {
		s.silent++
		return
	}
	s.logger.Log(context.Background(), level, msg, append(args, "suppressed", s.silent)...)
	s.loggedAt, s.silent = now, 0
}
