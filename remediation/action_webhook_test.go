package remediation

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// hook makes the action of YAML, with URL for the server's own.
func hook(t *testing.T, url, text string) action {
	t.Helper()
	var c WebhookConfig
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "URL", url)), &c); err != nil {
		t.Fatal(err)
	}
	if err := c.validate("hook", nil); err != nil {
		t.Fatal(err)
	}
	w, err := c.build()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func call(t *testing.T, w action, p plan) (string, error) {
	t.Helper()
	d, err := w.prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	return d.do(t.Context())
}

// echo answers with all it was sent.
func echo(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintf(w, "%s %s\n", req.Method, req.RequestURI)
		req.Header.Write(w)
		io.Copy(w, req.Body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestWebhookBodies(t *testing.T) {
	s := echo(t)
	p := examplePlan
	p.Labels = map[string]string{"alertname": `Stuck"}, "admin": true, {"`, "line": "a\nb", "mention": "<!channel>"}
	for name, tc := range map[string]struct{ config, want string }{
		"the plan":  {`url: URL`, `"target":"cart-7"`},
		"a message": {`{url: URL, slack: true}`, `{"text": "Foreshock: restart on cart-7 for Stuck\"}, \"admin\": true, {\", by rule restart-pod"}`},
		"a template": {
			`{url: URL, body: '{"n": {{json .Labels.alertname}}, "none": {{.Labels.none | json}}{{if .Target}}, "t": {{printf "on %s" .Target | json}}{{end}}}'}`,
			`{"n": "Stuck\"}, \"admin\": true, {\"", "none": "", "t": "on cart-7"}`,
		},
		"a loop": {
			`{url: URL, body: '[{{range $k, $v := .Labels}}{{json $k}}, {{json $v}}, {{end}}null]'}`,
			`"line", "a\nb", "mention", "\u003c!channel\u003e", null]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := call(t, hook(t, s.URL, tc.config), p)
			_, sent, _ := strings.Cut(out, "\r\n\r\n")
			if sent == "" {
				sent = out[strings.LastIndex(out, "\r\n")+2:]
			}
			if err != nil || !strings.HasPrefix(out, "POST /\n") || !strings.Contains(out, "Content-Type: application/json\r\n") {
				t.Fatalf("%q, %v", out, err)
			}
			if !json.Valid([]byte(sent)) || !strings.Contains(sent, tc.want) {
				t.Errorf("sent %s, want %s", sent, tc.want)
			}
		})
	}
}

func TestSlackMentionsNobody(t *testing.T) {
	p := examplePlan
	p.Labels = map[string]string{"alertname": "<!channel> & <http://evil|click>"}
	out, err := call(t, hook(t, echo(t).URL, `{url: URL, slack: true}`), p)
	var sent struct{ Text string }
	if err := json.Unmarshal([]byte(out[strings.LastIndex(out, "\r\n")+2:]), &sent); err != nil {
		t.Fatal(err)
	}
	if want := "Foreshock: restart on cart-7 for &lt;!channel&gt; &amp; &lt;http://evil|click&gt;, by rule restart-pod"; err != nil || sent.Text != want {
		t.Errorf("%q, %v", sent.Text, err)
	}
}

// A label must not be able to write JSON, so a body that would let one is refused
// when it is loaded.
func TestBodiesThatAreRefused(t *testing.T) {
	for body, want := range map[string]string{
		`{"text": "{{.Target}}"}`:                          "line 1: {{.Target}} must end in | json",
		`{"text": "{{printf "%s" .Labels.x}}"}`:            "must end in | json",
		`{"text": "{{json .Labels.x | printf "%s"}}"}`:     "must end in | json",
		`{{if .Target}}{"t": {{.Target}}}{{else}}1{{end}}`: "must end in | json",
		`{{if .Target}}1{{else}}{{.Rule}}{{end}}`:          "must end in | json",
		`[{{range .Labels}}{{.}}{{end}}]`:                  "must end in | json",
		`{{with .Labels.x}}{{.}}{{else}}1{{end}}`:          "must end in | json",
		`{{define "x"}}{{.Rule}}{{end}}{{template "x" .}}`: "must end in | json",
		`{"text": "{{json .Target}}"}`:                     "does not make JSON",
		`text`:                                             "does not make JSON",
		`{"a": {{json .Password}}}`:                        "can't evaluate field Password",
		`{"a": {{json (call .Rule)}}}`:                     "call",
		`{{`:                                               "unclosed action",
		`{"a": {{env "HOME" | json}}}`:                     `function "env" not defined`,
		`{{$x := .Rule}}{{$x}}`:                            "must end in | json",
		`{{block "y" .}}{{.Target}}{{end}}`:                "must end in | json",
		`{{range .Labels}}1{{else}}{{.Target}}{{end}}`:     "must end in | json",
	} {
		if _, err := parseBody(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

// Credentials stay where they were configured to go.
func TestRedirectIsAFailureAndTellsNobody(t *testing.T) {
	var elsewhere atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer thief.Close()
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, thief.URL, status)
		}))
		_, err := call(t, hook(t, s.URL, `{url: URL, http_config: {follow_redirects: true, authorization: {credentials: canary}}}`), examplePlan)
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("answered %d", status)) {
			t.Errorf("error %v", err)
		}
		s.Close()
	}
	if elsewhere.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

// The other side shows us what we sent; nobody else may see it.
func TestSecretsAreInNoOutputAndNoError(t *testing.T) {
	s := echo(t)
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("canary-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, config := range []string{
		`url: "URL/services/canary-path?key=canary-query"`,
		`{url: URL, http_config: {authorization: {credentials: canary-inline}}}`,
		`{url: URL, http_config: {authorization: {credentials_file: ` + file + `}}}`,
		`{url: URL, http_config: {basic_auth: {username: me, password: canary-basic}}}`,
		`{url: URL, http_config: {http_headers: {X-Api-Key: {secrets: [canary-header]}}}}`,
	} {
		out, err := call(t, hook(t, s.URL, config), examplePlan)
		if err != nil || strings.Contains(out, "canary") || !strings.Contains(out, "<secret>") {
			t.Errorf("%s: %q, %v", config, out, err)
		}
	}
	away := strings.Replace(s.URL, "127.0.0.1", "me:canary-userinfo@127.0.0.1", 1)
	s.Close()
	if _, err := call(t, hook(t, away, `{url: URL/canary-path}`), examplePlan); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
	for _, url := range []string{"ftp://canary/", "http://can ary/", "canary", "http:///canary", "http://canary:port/"} {
		c := DefaultWebhookConfig()
		c.URL = promconfig.Secret(url)
		if err := c.validate("hook", nil); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestURLFromAFile(t *testing.T) {
	s := echo(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "url"), []byte(s.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultWebhookConfig()
	c.URLFile = "url"
	c.SetDirectory(dir)
	w, err := c.build()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, w, examplePlan); err != nil {
		t.Error(err)
	}
	c.URLFile = filepath.Join(dir, "none")
	if _, err := c.build(); err == nil {
		t.Error("a missing file was accepted")
	}
}

// A name that resolves to the cloud's metadata service gives its credentials to
// whoever asks.
func TestMetadataServiceIsNoPlaceForAnAction(t *testing.T) {
	for _, address := range []string{
		"169.254.169.254:80", "[fe80::1]:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80", "0.0.0.0:80", "[::]:80", "224.0.0.1:80",
	} {
		_, err := call(t, hook(t, "http://"+address, `{url: "URL/latest/meta-data", timeout: 1s}`), examplePlan)
		if err == nil || !strings.Contains(err.Error(), "is no place for an action") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestSlowAndSilentServers(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		if req.URL.Path == "/drip" {
			fmt.Fprint(w, "done")
			w.(http.Flusher).Flush()
		}
		<-release
	}))
	defer s.Close()
	defer close(release)
	w := hook(t, s.URL, `{url: URL, timeout: 1s}`)
	w.(*webhook).timeout = 100 * time.Millisecond
	if _, err := call(t, w, examplePlan); errorText(err) != "no answer, and it may have acted: did not finish within 100ms" {
		t.Errorf("silent: %v", err)
	}
	w = hook(t, s.URL, `{url: URL/drip, timeout: 1s}`)
	w.(*webhook).timeout = 100 * time.Millisecond
	if out, err := call(t, w, examplePlan); err != nil || out != "done" {
		t.Errorf("said yes and went on talking: %q, %v", out, err)
	}
}

func TestEndlessAnswerIsCut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	out, err := call(t, hook(t, s.URL, `url: URL`), examplePlan)
	if err != nil || len(out) > maxOutput {
		t.Errorf("kept %d bytes: %v", len(out), err)
	}
}

func TestWebhookTimeoutIsBounded(t *testing.T) {
	c := DefaultWebhookConfig()
	c.URL = "http://localhost"
	for _, d := range []time.Duration{0, -time.Second, 11 * time.Minute} {
		c.Timeout = model.Duration(d)
		if err := c.validate("hook", nil); err == nil {
			t.Errorf("timeout %s was accepted", d)
		}
	}
}
