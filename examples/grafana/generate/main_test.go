package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestCurrent: the files beside are what this module makes, and no other dashboard is there.
func TestCurrent(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join("..", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what is generated (%v); run make docs", name, err)
		}
	}
	there, err := filepath.Glob("../*.json")
	if err != nil || len(there) != len(files) {
		t.Errorf("%v, %v: want %d dashboards", there, err, len(files))
	}
}

// TestEveryPanelSaysWhatItShows: a title, a description, a unit, queries with legends where
// there are several, and widths that fill their rows.
func TestEveryPanelSaysWhatItShows(t *testing.T) {
	for _, p := range []page{overview, explorer, forecasts, remediation, itself} {
		for _, r := range p.rows {
			for _, one := range r.panels {
				if one.title == "" || one.about == "" || one.unit == "" || len(one.queries) == 0 {
					t.Errorf("%s, %s: %+v", p.title, one.title, one)
				}
				for _, q := range one.queries {
					if q.legend == "" && one.kind != number {
						t.Errorf("%s, %s: %s has no legend", p.title, one.title, q.expr)
					}
				}
			}
		}
	}
}

// TestStrict: what the SDK does not know is refused.
func TestStrict(t *testing.T) {
	built, err := overview.build()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(text); err != nil {
		t.Error(err)
	}
	if err := check(bytes.Replace(text, []byte(`"title"`), []byte(`"titel"`), 1)); err == nil {
		t.Error("a wrong key is accepted")
	}
}

// TestIncidentsAreWorded: every dashboard marks incidents and says what each is about.
func TestIncidentsAreWorded(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		var d struct {
			Annotations struct {
				List []struct {
					Name, TitleFormat, TextFormat, TagKeys string
					Target                                 struct{ Expr string }
				}
			}
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte(`"annotations"`)); n != 1 || len(d.Annotations.List) != 1 {
			t.Errorf("%s: %d times annotations, %+v", name, n, d.Annotations.List)
			continue
		}
		if a := d.Annotations.List[0]; a.Target.Expr != "foreshock_incident == 1" || a.TitleFormat != "{{title}}" || a.TextFormat == "" || a.TagKeys == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
