package console

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// maxAssets is what the whole console may weigh, packed: a phone far from the server has it
// in a second.
const maxAssets = 60 << 10

// What others wrote is what they published, as the manifest says, and nothing else is there.
func TestLibrariesAreThoseOfTheManifest(t *testing.T) {
	var manifest []struct{ File, Package, Version, Licence, SHA256 string }
	text, err := os.ReadFile("assets/lib/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"manifest.json": true}
	for _, m := range manifest {
		known[m.File] = true
		body, err := os.ReadFile("assets/lib/" + m.File)
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(body)
		if got := hex.EncodeToString(sum[:]); got != m.SHA256 || m.Package == "" || m.Version == "" || m.Licence == "" {
			t.Errorf("%s %s: %s has the hash %s, not %s: make console-lib", m.Package, m.Version, m.File, got, m.SHA256)
		}
	}
	files, err := os.ReadDir("assets/lib")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("lib/%s is not in the manifest", f.Name())
		}
	}
}

func TestTheConsoleIsSmall(t *testing.T) {
	total := 0
	for name, a := range allAssets() {
		t.Logf("%6d B packed  %s", len(a.packed), name)
		total += len(a.packed)
	}
	if total > maxAssets {
		t.Errorf("%d bytes packed, more than %d", total, maxAssets)
	}
	t.Logf("%d of %d bytes", total, maxAssets)
}

var (
	topNames = regexp.MustCompile(`(?m)^(?:export )?(?:default )?(?:async )?(?:const|let|function|class) (\w+)`)
	// markup is what would let a label be more than text, or needs more than the policy of
	// internal/gate allows.
	markup = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|style="|javascript:|https?://`)
)

// Our modules are one when they are served: each is in it, no name stands for two things, and
// of imports those of the libraries are left.
func TestModulesAreJoinedAndWriteNoMarkup(t *testing.T) {
	files, err := fs.Glob(assets, "assets/*.js")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := fs.Glob(assets, "assets/page/*.js")
	if err != nil {
		t.Fatal(err)
	}
	held, owner := map[string]bool{}, map[string]string{}
	body := joined(script, held)
	for _, file := range append(files, pages...) {
		if !held[strings.TrimPrefix(file, "assets/")] {
			t.Errorf("no module needs %s", file)
		}
		text, err := assets.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range topNames.FindAllSubmatch(text, -1) {
			if name := string(m[1]); owner[name] != "" {
				t.Errorf("%s is a name in %s and in %s", name, owner[name], file)
			} else {
				owner[name] = file
			}
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^(?:import|export).*`).FindAllString(string(body), -1) {
		if !strings.Contains(line, "from './lib/") {
			t.Errorf("left in the joined module: %s", line)
		}
	}
	for _, text := range [][]byte{body, allAssets()["/assets/index.html"].body} {
		if found := markup.Find(text); found != nil {
			t.Errorf("the console has %s", found)
		}
	}
}

func TestAssetsArePackedForWhoCanUnpack(t *testing.T) {
	s := serve(t, Options{})
	for file, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/console.js": "text/javascript; charset=utf-8",
		"/assets/lib/preact.mjs": "text/javascript; charset=utf-8", "/assets/console.css": "text/css; charset=utf-8",
	} {
		bodies := map[string]string{}
		for _, accept := range []string{"gzip", "identity"} {
			r, _ := http.NewRequest(http.MethodGet, s.URL+file, nil)
			r.Header.Set("Accept-Encoding", accept)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			var body io.Reader = answer.Body
			if packed := answer.Header.Get("Content-Encoding") == "gzip"; packed != (accept == "gzip") || answer.Header.Get("Content-Type") != kind {
				t.Errorf("%s, %s: %v", file, accept, answer.Header)
			} else if packed {
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			text, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			bodies[accept] = string(text)
		}
		if bodies["gzip"] == "" || bodies["gzip"] != bodies["identity"] {
			t.Errorf("%s: %d bytes packed, %d plain", file, len(bodies["gzip"]), len(bodies["identity"]))
		}
	}
}
