package scenario

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/foreshock/foreshock"
)

var update = flag.Bool("update", false, "rewrite the answers of the stories in testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOneTextOneStory plays every story on one processor and on two, on any number of
// shards, and compares all that was reported, to the last bit.
func TestOneTextOneStory(t *testing.T) {
	processors := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(processors)
	for name, text := range stories(t) {
		var first string
		for _, on := range []struct{ processors, shards int }{{1, 1}, {1, 3}, {2, 1}, {2, 7}} {
			runtime.GOMAXPROCS(on.processors)
			story, err := Parse(name, text)
			if err != nil {
				t.Fatal(err)
			}
			reports, err := story.Play(t.Context(), on.shards)
			if err != nil {
				t.Fatal(err)
			}
			got := spellOut(reports)
			if first == "" {
				first = got
			}
			if got != first {
				t.Errorf("%s: %d processors with %d shards tell another story", name, on.processors, on.shards)
			}
		}
	}
}

// spellOut writes every field of what was reported; %b writes floats by their bits.
func spellOut(reports []foreshock.Report) string {
	var out strings.Builder
	for _, r := range reports {
		fmt.Fprintf(&out, "%d %+v %v %v\n", r.Now, r.Forecasts, r.Ended, r.Gone)
		for _, s := range r.Scores {
			fmt.Fprintf(&out, "%s %d %b %b %b %t\n", s.Series, s.T, s.Value, s.Score, s.Band, s.Warming)
		}
		for _, a := range r.Anomalies {
			fmt.Fprintf(&out, "%+v %b %b %b\n", a, a.Value, a.Score, a.Band)
		}
		for _, in := range r.Incidents {
			fmt.Fprintf(&out, "%+v\n", in)
		}
	}
	return out.String()
}

// stories returns the texts in testdata by their files' names.
func stories(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	return texts
}

// TestStories holds testdata/*.txt against what happens now.
func TestStories(t *testing.T) {
	for file, want := range stories(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			if !strings.HasPrefix(want, "# ") {
				t.Errorf("%s does not open with why someone on call would care", file)
			}
			story, err := Parse(file, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := story.Retell(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("%s is now:\n%s\nwas:\n%s", file, got, want)
			}
		})
	}
}
