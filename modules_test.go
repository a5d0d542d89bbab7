package foreshock

import (
	"os"
	"regexp"
	"testing"
)

// TestEveryModuleHasItsReason holds docs/dependencies.md against go.mod.
func TestEveryModuleHasItsReason(t *testing.T) {
	read := func(name string) []byte {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	names := func(text []byte, line string) map[string]bool {
		found := map[string]bool{}
		for _, m := range regexp.MustCompile(line).FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return found
	}
	required := names(read("go.mod"), `(?m)^\t(\S+) v\S+$`)
	reasons := names(read("docs/dependencies.md"), `(?m)^\| ([a-z.]+\.[a-z]+/\S+) \| \S.*\|$`)
	if len(required) < 10 {
		t.Fatalf("go.mod asks for %v", required)
	}
	for name := range required {
		if !reasons[name] {
			t.Errorf("docs/dependencies.md has no reason for %s", name)
		}
	}
	for name := range reasons {
		if !required[name] {
			t.Errorf("docs/dependencies.md has %s, which go.mod does not ask for", name)
		}
	}
}
