package detector

import "testing"

// A bar has grown once, when it is a minute wide for the first time, and never where
// samples are a minute apart or more anyway.
func TestABarGrowsOnce(t *testing.T) {
	for _, c := range []struct {
		apart int64
		want  int
	}{{1000, 1}, {15_000, 1}, {59_000, 1}, {60_000, 0}, {300_000, 0}} {
		var b bar
		grown, at := 0, int64(0)
		for t := int64(0); t < 4*60*60_000; t += c.apart {
			if b.add(t, 0, 1); b.grown {
				grown++
				at = t
			}
			if b.closed {
				b.next()
			}
		}
		if grown != c.want {
			t.Errorf("every %d ms: grown %d times, want %d", c.apart, grown, c.want)
		}
		if grown > 0 && (at < infancy*aBar || at >= infancy*aBar+c.apart) {
			t.Errorf("every %d ms: grown at %d ms", c.apart, at)
		}
	}
}
