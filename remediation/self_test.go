package remediation

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// This host and this process are no targets, under any of their names.
func TestSelfIsNeverATarget(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	s := &self{names: map[string]string{}}
	*s = *findSelf()
	s.names["foreshock.service"], s.names["foreshock"] = "this process's unit", "this process's unit"
	for _, target := range []string{
		host, strings.ToUpper(host), host + ":9100", "root@" + host, "ns/pod/" + host, host + "/foreshock.service", "localhost", "LOCALHOST:22",
		"127.0.0.1", "127.3.2.1:80", "[::1]:80", "::1", "::ffff:127.0.0.1", "0.0.0.0", "foreshock.service", "foreshock", strconv.Itoa(os.Getpid()),
	} {
		if s.isNot(target) == nil {
			t.Errorf("%s may be a target", target)
		}
	}
	for _, target := range []string{"cart-7", "cart-7:9100", "192.0.2.7", "prod/deployment/cart", "cart.service", "[2001:db8::7]:80", host + "-2"} {
		if err := s.isNot(target); err != nil {
			t.Errorf("%s may not be a target: %v", target, err)
		}
	}
}
