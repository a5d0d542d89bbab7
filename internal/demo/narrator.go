package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// narrator tells the story on a terminal: one line a step with the time since the
// start, and a bar for what takes long.
type narrator struct {
	out      io.Writer
	start    time.Time
	terminal bool
}

func newNarrator(out *os.File) *narrator {
	return &narrator{out: out, start: time.Now(), terminal: term.IsTerminal(int(out.Fd()))}
}

func (n *narrator) say(format string, args ...any) {
	if n.terminal {
		fmt.Fprint(n.out, "\r\033[K")
	}
	fmt.Fprintf(n.out, "%5.0f s  %s\n", time.Since(n.start).Seconds(), fmt.Sprintf(format, args...))
}

// bar draws how far what is, in [0,1]; nothing where the output is not a terminal.
func (n *narrator) bar(what string, share float64) {
	if !n.terminal {
		return
	}
	const width = 40
	full := int(min(max(share, 0), 1) * width)
	fmt.Fprintf(n.out, "\r\033[K%5.0f s  %s [%s%s] %3.0f %%", time.Since(n.start).Seconds(), what,
		strings.Repeat("█", full), strings.Repeat("·", width-full), min(share, 1)*100)
}
