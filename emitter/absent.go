package emitter

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// An Alertmanager that does not take what it is sent is asked with an empty list until it
// answers, and then told all that fires: within probePatience + maxProbeDelay + alertCheck
// = 9 s of its return, and with what is true by then.
const (
	minProbeDelay = 250 * time.Millisecond
	maxProbeDelay = 3 * time.Second
	probePatience = 5 * time.Second
)

// absence is that of one Alertmanager.
type absence struct {
	asking   bool
	distrust time.Duration // until it is asked after the next failure
}

// passing reports whether the status may be another one soon, though the alerts are the
// same.
func passing(status int) bool {
	return status/100 == 5 || status == http.StatusTooManyRequests
}

// miss notes that the Alertmanager did not take what it was sent, and begins to ask for it.
// One that answers, and takes alerts no better than before, is asked half as often each
// time, and in the end in the rhythm in which alerts are repeated anyway.
func (l *alertLine) miss(client http.Client, at *url.URL) {
	l.absentMu.Lock()
	defer l.absentMu.Unlock()
	a := l.absent[at.String()]
	if a == nil {
		a = &absence{distrust: minProbeDelay}
		l.absent[at.String()] = a
	}
	if a.asking || l.life.Err() != nil {
		return
	}
	a.asking = true
	wait := a.distrust
	a.distrust = min(2*a.distrust, resendDelay)
	l.probes.Go(func() {
		answers := l.await(client, at, wait)
		l.absentMu.Lock()
		a.asking = false
		if !answers {
			delete(l.absent, at.String())
		}
		l.absentMu.Unlock()
		if answers {
			l.returned.Store(true)
		}
	})
}

// present notes that the Alertmanager took alerts.
func (l *alertLine) present(at *url.URL) {
	l.absentMu.Lock()
	defer l.absentMu.Unlock()
	if a := l.absent[at.String()]; a != nil && a.asking {
		a.distrust = minProbeDelay
	} else {
		delete(l.absent, at.String())
	}
}

// await asks until the Alertmanager answers. It is false where the line ended or the
// Alertmanager is none any more.
func (l *alertLine) await(client http.Client, at *url.URL, wait time.Duration) bool {
	for {
		select {
		case <-l.life.Done():
			return false
		case <-time.After(wait):
		}
		if !slices.ContainsFunc(l.notifier.Alertmanagers(), func(u *url.URL) bool { return u.String() == at.String() }) {
			return false
		}
		if probe(l.life, client, at) == nil {
			return true
		}
		wait = min(2*wait, maxProbeDelay)
	}
}

// probe asks the Alertmanager to take no alerts.
func probe(ctx context.Context, client http.Client, at *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader("[]"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // for the connection to be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("server returned HTTP status %s", resp.Status)
	}
	return nil
}
