package receiver

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzHeaders: whatever a request's head says, the answer is one that the specification
// knows, short enough for a sender's log, and the next good request is taken.
func FuzzHeaders(f *testing.F) {
	good := oneSampleV1(f, 1, 1, "__name__", "up")
	for _, contentType := range []string{
		"", "application/x-protobuf", "application/x-protobuf;proto=prometheus.WriteRequest", "application/x-protobuf;proto=io.prometheus.write.v2.Request",
		"application/x-protobuf; PROTO=\"io.prometheus.write.v2.Request\"", "application/x-protobuf;proto=a;proto=b", "application/x-protobuf;proto*0=io;proto*1=x",
		"text/plain", ";", "application/x-protobuf;proto=\x00", strings.Repeat("a", 5000) + "/b",
	} {
		for _, encoding := range []string{"", "snappy", "SNAPPY", "gzip", "snappy, gzip", "zstd", "\xff"} {
			f.Add("POST", contentType, encoding, "0.1.0", good)
		}
	}
	f.Add("GET", "", "", "", []byte(nil))
	f.Add("\x00", "", "", strings.Repeat("9", 5000), []byte("x"))
	c := DefaultConfig()
	c.MaxBody, c.MaxDecoded = 64<<10, 64<<10
	f.Fuzz(func(t *testing.T, method, contentType, encoding, announced string, body []byte) {
		r, _, _ := newReceiver(t, c, nil)
		req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
		req.Method = method
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Content-Encoding", encoding)
		req.Header.Set("X-Prometheus-Remote-Write-Version", announced)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		switch w.Code {
		case http.StatusNoContent, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		default:
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		if w.Body.Len() > 1024 {
			t.Errorf("a reason of %d bytes", w.Body.Len())
		}
		if w := post(r, typeV1, good); w.Code != http.StatusNoContent {
			t.Errorf("the next good request is answered %d %s", w.Code, w.Body)
		}
	})
}
