package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// asset is one embedded file. A browser keeps it and asks each time whether it is
// still the same, so that a new version of the binary is seen at once.
type asset struct {
	name         string
	kind         string // its content type
	body, packed []byte // plain, and by gzip
	etag         string
}

var (
	// lean is what no browser needs of what we wrote: indentation, and comments, those behind
	// code if they hold no quote.
	lean = regexp.MustCompile("(?m)^[\\t ]+(//.*)?|^//.*\n|[\\t ]+// [^'\"`\\n]*$|(?s:^/\\*.*?\\*/)")

	// imported is what one of our modules needs of another, exported what it offers.
	imported = regexp.MustCompile(`(?m)^import .* from '(\.{1,2}/[a-z/]+\.js)';\n`)
	exported = regexp.MustCompile(`(?m)^export (default |\{.*\};\n)?`)
)

// joined is the module of that name below those of ours that it needs, as one module: what is
// packed together weighs a quarter less, and is asked for once. No two may have a name of their
// own at the top in common. held are those that are above it already.
func joined(name string, held map[string]bool) []byte {
	if held[name] {
		return nil
	}
	held[name] = true
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(fmt.Sprintf("console: %v", err))
	}
	var all []byte
	for _, needed := range imported.FindAllSubmatch(body, -1) {
		all = append(all, joined(path.Join(path.Dir(name), string(needed[1])), held)...)
	}
	return append(all, exported.ReplaceAll(imported.ReplaceAll(body, nil), nil)...)
}

// newAsset panics where the file is not among the embedded ones.
func newAsset(name string) *asset {
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(fmt.Sprintf("console: %v", err))
	}
	if name == script {
		body = joined(name, map[string]bool{})
	}
	if name == script || name == "console.css" {
		body = lean.ReplaceAll(body, nil)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one
	_, _ = z.Write(body)                                       // a buffer takes all
	_ = z.Close()
	sum := sha256.Sum256(body)
	return &asset{name, mime.TypeByExtension(path.Ext(name)), body, packed.Bytes(), `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// script is the module that the page begins with.
const script = "console.js"

// allAssets are all embedded files by the paths they are served at; of our modules the one
// that they are joined in.
func allAssets() map[string]*asset {
	all := map[string]*asset{}
	_ = fs.WalkDir(assets, "assets", func(file string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(file, "assets/")
		ours := path.Ext(name) == ".js" && !strings.HasPrefix(name, "lib/")
		if err == nil && !d.IsDir() && (!ours || name == script) {
			all["/"+file] = newAsset(name)
		}
		return err
	})
	return all
}

// ServeHTTP implements http.Handler.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", a.kind)
	h.Set("Vary", "Accept-Encoding")
	body := a.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		h.Set("Content-Encoding", "gzip")
		body = a.packed
	}
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(body))
}
