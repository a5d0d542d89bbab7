package cause

import (
	"slices"
	"strings"
	"unicode"
)

// Aspect is what a series is about, which decides what its change means: a place that
// answers slowly may wait for another, one that burns CPU does so itself.
type Aspect uint8

// The aspects. Where calls are slow, it is what is called, or the way to it.
const (
	Unknown Aspect = iota
	Latency        // how long it takes to answer
	Calls          // how long its own calls of others take
	Errors         // more is worse
	Health         // less is worse: availability, success, up
	Traffic        // how much it is asked for
	CPU
	Memory
	Disk
	Network
	Surroundings // of where it runs, not of itself
	aspects
)

// String is the aspect as people read it.
func (a Aspect) String() string {
	return [...]string{
		"other", "latency", "latency of its calls", "errors", "health", "traffic", "CPU", "memory", "disk", "network",
		"its machine",
	}[min(a, aspects-1)]
}

// isOfExporter reports whether a metric at a host is about the exporter that tells of the host,
// by the prefixes that Prometheus's client libraries give what they say of their own process.
func isOfExporter(name string) bool {
	return slices.ContainsFunc([]string{"go_", "process_", "promhttp_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// AspectOf is what a metric of that name is about, by the words Prometheus's naming has:
// snake or camel case makes no difference.
func AspectOf(name string, host bool) Aspect {
	words := words(name)
	has := func(beginnings ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool {
			return slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(w, b) })
		})
	}
	slow := has("latency", "duration", "response", "rtt", "handling", "wait")
	switch {
	case !host && len(words) > 0 && words[0] == "node":
		return Surroundings
	case slow && has("client", "outbound", "upstream", "egress"):
		return Calls
	case has("success", "availability") || len(words) == 1 && words[0] == "up" || has("ready", "healthy"):
		return Health
	case has("error", "fail", "exception", "5xx", "panic", "timeout", "refused", "retrans", "drop", "unhealthy", "oom"):
		return Errors
	case has("disk", "filesystem", "fs", "syscall", "iops", "blkio", "wal"):
		return Disk
	case slow:
		return Latency
	case has("cpu", "load1", "throttl", "goroutines", "threads"):
		return CPU
	case has("mem", "heap", "rss", "swap"):
		return Memory
	case has("network", "receive", "transmit", "tcp", "conntrack"):
		return Network
	case has("request", "workload", "traffic", "queries", "calls", "ops", "qps", "hits"):
		return Traffic
	}
	return Unknown
}

// words splits a name at what is no letter or digit, and where a capital follows a small
// letter.
func words(name string) []string {
	var all []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			all = append(all, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	var last rune
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case unicode.IsUpper(r) && unicode.IsLower(last):
			end()
			word = append(word, r)
		default:
			word = append(word, r)
		}
		last = r
	}
	end()
	return all
}
