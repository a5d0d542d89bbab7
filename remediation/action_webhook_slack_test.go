package remediation

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// slackServer answers as Slack documents its incoming webhooks to: "ok", or a
// status and a word that says why not.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/
func slackServer(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		refuse := func(status int, word string) {
			w.WriteHeader(status)
			io.WriteString(w, word)
		}
		var message struct {
			Text string `json:"text"`
		}
		body := json.NewDecoder(req.Body)
		body.DisallowUnknownFields()
		switch err := body.Decode(&message); {
		case req.URL.Path == "/services/T0/B0/revoked":
			refuse(http.StatusForbidden, "invalid_token")
		case req.URL.Path == "/services/T0/B0/archived":
			refuse(http.StatusGone, "channel_is_archived")
		case req.URL.Path != "/services/T0/B0/canary":
			refuse(http.StatusNotFound, "no_service")
		case err != nil || req.Header.Get("Content-Type") != "application/json":
			refuse(http.StatusBadRequest, "invalid_payload")
		case message.Text == "":
			refuse(http.StatusBadRequest, "no_text")
		default:
			io.WriteString(w, "ok")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// Who reads why nobody was told must see Slack's own word for it, and never the
// URL, which is the credential.
func TestSlackAnswersAreTold(t *testing.T) {
	s := slackServer(t)
	for _, tt := range []struct{ path, output, err string }{
		{"/services/T0/B0/canary", "ok", ""},
		{"/services/T0/B0/revoked", "invalid_token", "answered 403 Forbidden"},
		{"/services/T0/B0/archived", "channel_is_archived", "answered 410 Gone"},
		{"/services/T0/B0/unknown", "no_service", "answered 404 Not Found"},
	} {
		out, err := call(t, hook(t, s.URL+tt.path, `{url: "URL", slack: true}`), examplePlan)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if out != tt.output || said != tt.err {
			t.Errorf("%s: got %q, %q, want %q, %q", tt.path, out, said, tt.output, tt.err)
		}
		if strings.Contains(out+said, "/services/") {
			t.Errorf("%s: the URL is shown: %q, %q", tt.path, out, said)
		}
	}
}
