package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"
)

// asset is one embedded file. A browser keeps it and asks each time whether it is
// still the same, so that a new version of the binary is seen at once.
type asset struct {
	name string
	body []byte
	etag string
}

// newAsset panics where the file is not among the embedded ones.
func newAsset(name string) asset {
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(fmt.Sprintf("console: %v", err))
	}
	sum := sha256.Sum256(body)
	return asset{name, body, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", a.etag)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.body))
}
