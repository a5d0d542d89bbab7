package remediation

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
)

// self is what this process and the host it runs on are called. Neither may be a target:
// who restarts itself, or the host below it, sees nothing of what follows.
type self struct {
	names map[string]string // in lower case, and what it is the name of
	// err is why some of the names are not known, and so no target is safe.
	err error
}

// findSelf asks the system. Addresses are asked for anew at every start of an action, since
// they come and go.
func findSelf() *self {
	s := &self{names: map[string]string{"localhost": "this host"}}
	host, err := os.Hostname()
	if err != nil {
		return &self{err: fmt.Errorf("the name of this host: %w", err)}
	}
	short, _, _ := strings.Cut(host, ".")
	for _, name := range []string{host, short} {
		s.names[strings.ToLower(name)] = "this host"
	}
	s.names[strconv.Itoa(os.Getpid())] = "this process"
	// In a control group of systemd's the unit is the last part; elsewhere it is something
	// that no target is called, and without a /proc there are no units.
	if groups, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(groups)) {
			unit := strings.ToLower(path.Base(strings.TrimSpace(line)))
			if name, ok := strings.CutSuffix(unit, ".service"); ok {
				s.names[unit], s.names[name] = "this process's unit", "this process's unit"
			}
		}
	}
	return s
}

// isNot refuses a target that is this process or host, under any of their names: alone, with
// a user before or a port behind, or as a part of a path.
func (s *self) isNot(target string) error {
	if s.err != nil {
		return s.err
	}
	for part := range strings.SplitSeq(strings.ToLower(target), "/") {
		if what := s.called(part); what != "" {
			return fmt.Errorf("target %.100q is %s, which is never one", target, what)
		}
		if err := isForeign(hostOf(part)); err != nil {
			return fmt.Errorf("target %.100q: %w", target, err)
		}
	}
	return nil
}

// called returns what of ours the name is of, or "".
func (s *self) called(name string) string {
	if what, ok := s.names[name]; ok {
		return what
	}
	return s.names[hostOf(name)]
}

// hostOf leaves a user, a port and the final dot of a full name out.
func hostOf(name string) string {
	if _, after, ok := strings.Cut(name, "@"); ok {
		name = after
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	return strings.TrimSuffix(strings.Trim(name, "[]"), ".")
}

// isForeign refuses an address of this host.
func isForeign(host string) error {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil // a name of another host, as far as names say
	}
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() || ip.IsUnspecified() {
		return errors.New("is this host, which is never one")
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("the addresses of this host: %w", err)
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip.AsSlice()) {
			return errors.New("is an address of this host, which is never one")
		}
	}
	return nil
}
