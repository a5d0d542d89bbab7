// Package api answers HTTP requests the way Prometheus's own API does, so that what
// reads one reads the other: {"status": "success", "data": …} or {"status": "error",
// "errorType": …, "error": …}, never to be sniffed, never to be cached.
package api

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// StatusCanceled is the status of a request whose sender is gone.
const StatusCanceled = 499

// kinds are Prometheus's words for what went wrong.
var kinds = map[int]string{
	http.StatusBadRequest:         "bad_data",
	http.StatusNotFound:           "not_found",
	http.StatusConflict:           "conflict",
	http.StatusServiceUnavailable: "unavailable",
	http.StatusGatewayTimeout:     "timeout",
	StatusCanceled:                "canceled",
}

type envelope struct {
	Status    string `json:"status"` // success or error
	Data      any    `json:"data,omitempty"`
	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
}

// Answer sends data. It returns an error, and sends it as an internal one, if JSON
// cannot hold data: encoding comes first, so nobody is sent half an answer.
func Answer(w http.ResponseWriter, data any) error {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(envelope{Status: "success", Data: data}); err != nil {
		Refuse(w, http.StatusInternalServerError, "encode the answer: "+err.Error())
		return err
	}
	send(w, http.StatusOK, body.Bytes())
	return nil
}

// Refuse sends why there is no answer. The kind of error follows from the status.
func Refuse(w http.ResponseWriter, status int, why string) {
	kind, ok := kinds[status]
	switch {
	case ok:
	case status >= 500:
		kind = "internal"
	default:
		kind = "bad_request"
	}
	body, _ := json.Marshal(envelope{Status: "error", ErrorType: kind, Error: why}) // strings cannot fail
	send(w, status, append(body, '\n'))
}

func send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has gone need not be told
}
