package rules

import (
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

var update = flag.Bool("update", false, "rewrite the expected messages in testdata")

// TestBroken reads testdata/broken.txtar: each rule file in it is followed by what
// its author is told.
func TestBroken(t *testing.T) {
	const name = "testdata/broken.txtar"
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		file, want := archive.Files[i], &archive.Files[i+1]
		t.Run(file.Name, func(t *testing.T) {
			set, err := ParseFile(file.Name, file.Data)
			var ms yamlstrict.Mistakes
			if !errors.As(err, &ms) || set != nil {
				t.Fatalf("got %v and a set %v, want mistakes and none", err, set)
			}
			got := err.Error() + "\n"
			if *update {
				want.Data = []byte(got)
			} else if got != string(want.Data) {
				t.Errorf("got\n%swant\n%s", got, want.Data)
			}
		})
	}
	if *update {
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
