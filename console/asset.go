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

// lean is what no browser needs of our modules: indentation, and comments, those behind code
// if they hold no quote. The lines stay, so that an error names the right one.
var lean = regexp.MustCompile("(?m)^[\\t ]+(//.*)?|^//.*|[\\t ]+// [^'\"`\\n]*$")

// newAsset panics where the file is not among the embedded ones.
func newAsset(name string) *asset {
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(fmt.Sprintf("console: %v", err))
	}
	if kind := path.Ext(name); (kind == ".js" || kind == ".css") && !strings.HasPrefix(name, "lib/") {
		body = lean.ReplaceAll(body, nil)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one
	_, _ = z.Write(body)                                       // a buffer takes all
	_ = z.Close()
	sum := sha256.Sum256(body)
	return &asset{name, mime.TypeByExtension(path.Ext(name)), body, packed.Bytes(), `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// allAssets are all embedded files by the paths they are served at.
func allAssets() map[string]*asset {
	all := map[string]*asset{}
	_ = fs.WalkDir(assets, "assets", func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all["/"+file] = newAsset(strings.TrimPrefix(file, "assets/"))
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
