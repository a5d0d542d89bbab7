package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

func TestPoint(t *testing.T) {
	for _, c := range []struct {
		line   string
		column int
		want   string
	}{
		{"  slect: up", 3, "      slect: up\n      ^\n"},
		{"\tx\x1b[31m", 2, "     x [31m\n     ^\n"},
		{"a", 9, "    a\n     ^\n"},
		{"", 1, "    \n    ^\n"},
		{strings.Repeat("a", 200), 150, "    " + strings.Repeat("a", 96) + "\n    " + strings.Repeat(" ", 48) + "^\n"},
	} {
		if got := point(c.line, c.column); got != c.want {
			t.Errorf("%q, %d: got\n%swant\n%s", c.line, c.column, got, c.want)
		}
	}
}

// P29: where a secret may stand, no line of the file is shown.
func TestExcerptsKeepSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.yml")
	if err := os.WriteFile(file, []byte("canary: 1\ncanary: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"groups[0].name": true, "groups": true, "remote_write[0].basic_auth": false,
		"global.external_url": false, "alerting": false, "remediation.webhook_token": false, "": false,
	} {
		e := excerpts{on: true}
		if got := e.of(yamlstrict.Mistake{File: file, Line: 2, Column: 1, Path: path}); (got != "") != want {
			t.Errorf("%s: got %q", path, got)
		}
	}
	off := excerpts{}
	if got := off.of(yamlstrict.Mistake{File: file, Line: 2, Column: 1, Path: "groups"}); got != "" {
		t.Errorf("a program is shown %q", got)
	}
}
