package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// Body reads a JSON body of at most limit bytes, or answers the request itself. A browser
// cannot send that content type across origins unasked, so no page can act with a visitor's
// client certificate.
func Body(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, bool) {
	if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		Refuse(w, http.StatusUnsupportedMediaType, "content type must be application/json")
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		Refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("body must be at most %d bytes", limit))
		return nil, false
	}
	if err != nil {
		Refuse(w, http.StatusBadRequest, "body could not be read")
		return nil, false
	}
	return body, true
}
