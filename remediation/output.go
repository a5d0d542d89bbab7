package remediation

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
)

// maxOutput bounds what is kept of an action's output, in bytes.
const maxOutput = 64 << 10

// excerpt is a writer that keeps the first and the last of what it is given,
// maxOutput bytes at most, and takes any amount.
type excerpt struct {
	head, tail []byte
	dropped    int
}

// half of the room is the beginning's. The note between the halves takes its own
// from the end's.
const (
	headRoom = maxOutput / 2
	noteRoom = 64
	tailRoom = maxOutput - headRoom - noteRoom
)

func (x *excerpt) Write(p []byte) (int, error) {
	n := len(p)
	if room := headRoom - len(x.head); room > 0 {
		taken := min(room, len(p))
		x.head = append(x.head, p[:taken]...)
		p = p[taken:]
	}
	x.tail = append(x.tail, p...)
	if len(x.tail) > 2*tailRoom { // moved rarely, not at every write
		x.trim()
	}
	return n, nil
}

func (x *excerpt) trim() {
	if over := len(x.tail) - tailRoom; over > 0 {
		x.dropped += over
		x.tail = append(x.tail[:0], x.tail[over:]...)
	}
}

// String is the text as valid UTF-8.
func (x *excerpt) String() string {
	x.trim()
	note := ""
	if x.dropped > 0 {
		note = fmt.Sprintf("\n[%d bytes left out]\n", x.dropped)
	}
	return clip(string(x.head)+note+string(x.tail), maxOutput)
}

// shortestSecret keeps a header that says "1" from taking the ones out of an answer.
const shortestSecret = 4

// secrets are what a request carried that its answer must not show: some servers
// echo what they are sent. The values are collected as they are written to the
// wire, wherever they came from.
type secrets struct {
	mu     sync.Mutex
	values []string
}

func newSecrets(address string) *secrets {
	s := &secrets{values: []string{address}}
	if u, err := url.Parse(address); err == nil {
		if path := u.RequestURI(); len(path) > 1 {
			s.values = append(s.values, path)
		}
		if password, ok := u.User.Password(); ok && password != "" {
			s.values = append(s.values, password)
		}
	}
	return s
}

// public are the headers of ours that hold no secret.
var public = map[string]bool{
	"host": true, ":authority": true, ":method": true, ":path": true, ":scheme": true,
	"user-agent": true, "content-length": true, "content-type": true, "accept-encoding": true,
	"connection": true, "foreshock-remediation": true,
	"amz-sdk-invocation-id": true, "amz-sdk-request": true, "x-amz-client-context": true,
	"x-amz-date": true, "x-amz-invocation-type": true, "x-amz-log-type": true,
}

// watch returns a context whose requests' headers are collected.
func (s *secrets) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaderField: func(name string, values []string) {
			if public[strings.ToLower(name)] {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, v := range values {
				s.values = append(s.values, v)
				scheme, credentials, ok := strings.Cut(v, " ")
				if !ok {
					continue
				}
				s.values = append(s.values, credentials)
				if decoded, err := base64.StdEncoding.DecodeString(credentials); err == nil && strings.EqualFold(scheme, "Basic") {
					_, password, _ := strings.Cut(string(decoded), ":")
					s.values = append(s.values, password)
				}
			}
		},
	})
}

// redact replaces every secret.
func (s *secrets) redact(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.values {
		if len(v) >= shortestSecret {
			text = strings.ReplaceAll(text, v, "<secret>")
		}
	}
	return text
}
