package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// TestBroken reads testdata/broken.txtar: each configuration in it is followed by
// what its author is told. P29: that is never a secret.
func TestBroken(t *testing.T) {
	const name = "testdata/broken.txtar"
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		file, want := archive.Files[i], &archive.Files[i+1]
		t.Run(file.Name, func(t *testing.T) {
			path := write(t, map[string]string{"foreshock.yml": string(file.Data), "rules/remedy.yml": brokenRemedy})
			c, err := Load(path)
			var ms yamlstrict.Mistakes
			if !errors.As(err, &ms) || c != nil {
				t.Fatalf("got %v and %v, want mistakes and nothing", err, c)
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "") + "\n"
			if strings.Contains(got, "canary") {
				t.Errorf("a secret shows: %s", got)
			}
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

const brokenRemedy = `groups:
- name: g
  rules:
  - remedy: r
    match: '{job="web"}'
    action: restrat
`
