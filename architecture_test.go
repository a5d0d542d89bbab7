package foreshock

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/foreshock/foreshock"

// floors is the house: a package may import only packages on floors below its own.
// Siblings never import each other. docs/architecture.md draws it.
var floors = map[string]int{
	"detector/octave":        -1, // arithmetic, for the rooms of the detector
	"internal/quantity":      -1, // how a value is written for people
	"internal/disk":          -1, // files, for what must survive a restart
	".":                      0,
	"detector/window":        0,
	"detector/calibration":   0,
	"detector/burst":         0,
	"detector/constellation": 0,
	"detector/forecast":      0,
	"detector/forest":        0,
	"detector/quantile":      0,
	"detector/season":        0,
	"detector/trend":         0,
	"detector/workload":      0,
	"docs/schema":            0,
	"incident/cause":         0,
	"internal/annotation":    0,
	"internal/api":           0,
	"internal/disk/faulty":   0,
	"internal/image":         0,
	"internal/logthrottle":   0,
	"internal/openapi":       0,
	"internal/plot":          0,
	"internal/stack":         0,
	"internal/synthetic":     0,
	"internal/table":         0,
	"internal/yamlstrict":    0,
	"rules":                  1,
	"rules/mixin":            1,
	"internal/gate":          1,
	"internal/grafana":       1,
	"internal/jsonschema":    1,
	"internal/notation":      1,
	"internal/record":        1,
	"internal/inquest":       2,
	"incident/extent":        1,
	"internal/history":       1,
	"internal/kubernetes":    1,
	"journal":                1,
	"internal/warmstart":     2,
	"receiver":               2,
	"detector":               2,
	"incident":               2,
	"emitter":                2,
	"evidence":               2,
	"remediation":            2,
	"console":                2,
	"query":                  2,
	"config":                 3,
	"internal/flow":          3,
	"internal/capture":       3,
	"app":                    4,
	"internal/backtest":      4,
	"internal/eval":          4,
	"internal/rca":           4,
	"internal/ruletest":      4,
	"internal/scenario":      4,
	"internal/score":         4,
	"internal/demo":          5,
	"internal/e2e":           5,
	"cmd/foreshock":          5,
	"internal/loadgen":       5,
	"internal/soak":          5,
}

// TestImportsPointDown parses the files instead of asking `go list`, whose answer
// the test cache would keep after an import has changed.
func TestImportsPointDown(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != "." || d.Name() == "testdata" || file == "tools") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(file, "go.mod")); d.IsDir() && file != "." && err == nil {
			return filepath.SkipDir // a house of its own
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		floor, ok := floors[pkg]
		if !ok {
			return fmt.Errorf("%s: package %s is on no floor; give it one here and in docs/architecture.md", file, pkg)
		}
		seen[pkg] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			target, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			target = path.Clean("." + target)
			below, known := floors[target]
			if !known {
				t.Errorf("%s imports %s, which is on no floor", file, imported)
			} else if below >= floor && target != pkg {
				t.Errorf("%s (floor %d) imports %s (floor %d): imports only point down", file, floor, target, below)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range floors {
		if !seen[pkg] {
			t.Errorf("floor plan names %s, which is not there", pkg)
		}
	}
}
