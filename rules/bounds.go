package rules

import (
	"bytes"
	"errors"
	"fmt"
)

// What all rule files may hold together, so that reading them ends within seconds and
// takes some hundred MB at most, whatever a glob happens to match.
const (
	// maxText is 20 000 rules of 200 bytes, which take 2 s.
	maxText = 4 << 20

	// maxRegexes is twenty for each of a thousand rules; each compiles to freeSize steps
	// of some 85 bytes: 20 000 × 256 × 85 B ≈ 435 MB.
	maxRegexes = 20_000

	// maxGlobs bounds how often folders are listed.
	maxGlobs = 1000

	// maxMistakes is more than anybody reads.
	maxMistakes = 500
)

// admit reports what keeps another file from being read, beside those before.
func (b *builder) admit(data []byte) error {
	b.text += len(data)
	b.regexes += bytes.Count(data, []byte("=~")) + bytes.Count(data, []byte("!~"))
	switch {
	case b.text > maxText:
		return fmt.Errorf("too much: the rule files up to here have more than %d KiB", maxText>>10)
	case b.regexes > maxRegexes:
		return fmt.Errorf("too much: the rule files up to here have more than %d regular expressions", maxRegexes)
	case len(b.mistakes) >= maxMistakes:
		return errors.New("not read: there are mistakes enough in the files before")
	}
	return nil
}
