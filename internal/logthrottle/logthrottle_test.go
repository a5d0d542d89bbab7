package logthrottle

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestOnceAMinute: 90 failures, one a second, are three lines above debug level: the
// first, that of another message, and one a minute after the first that counts those
// in between.
func TestOnceAMinute(t *testing.T) {
	var text strings.Builder
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	now := time.Unix(0, 0)
	for _, c := range []struct {
		level slog.Level
		lines int
	}{{slog.LevelInfo, 3}, {slog.LevelDebug, 91}} {
		text.Reset()
		l := New(time.Minute, func() time.Time { return now }, slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: c.level, ReplaceAttr: drop})))
		for i := range 90 {
			l.Log(slog.LevelWarn, "failed", "i", i)
			if i == 30 {
				l.Log(slog.LevelError, "broke")
			}
			now = now.Add(time.Second)
		}
		if got := strings.Count(text.String(), "\n"); got != c.lines {
			t.Errorf("at %s: %d lines, want %d:\n%s", c.level, got, c.lines, &text)
		}
		for _, line := range []string{
			"level=WARN msg=failed i=0 suppressed=0\n",
			"level=ERROR msg=broke suppressed=0\n",
			"level=WARN msg=failed i=60 suppressed=59\n",
		} {
			if !strings.Contains(text.String(), line) {
				t.Errorf("at %s: no line %s in:\n%s", c.level, line, &text)
			}
		}
	}
}
