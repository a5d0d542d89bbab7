package api

import (
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnswersAreWholeOrErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(http.ResponseWriter)
		code int
		body string
	}{
		{"data", func(w http.ResponseWriter) { _ = Answer(w, []int{}) }, 200, `{"status":"success","data":[]}`},
		{"what JSON cannot hold", func(w http.ResponseWriter) { _ = Answer(w, math.NaN()) }, 500, `{"status":"error","errorType":"internal","error":"encode the answer: json: unsupported value: NaN"}`},
		{"the asker's mistake", func(w http.ResponseWriter) { Refuse(w, 400, `bad "selector"`) }, 400, `{"status":"error","errorType":"bad_data","error":"bad \"selector\""}`},
		{"a wrong type", func(w http.ResponseWriter) { Refuse(w, 415, "json only") }, 415, `{"status":"error","errorType":"bad_request","error":"json only"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			c.send(rec)
			if rec.Code != c.code || rec.Body.String() != c.body+"\n" {
				t.Errorf("got %d %swant %d %s", rec.Code, rec.Body, c.code, c.body)
			}
			if rec.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Error("may be sniffed")
			}
		})
	}
}
