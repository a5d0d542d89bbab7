package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is an HTTPS server that answers with what it was asked, and its certificate.
func server(t *testing.T) (address, ca string) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/moved":
			http.Redirect(w, req, "/version", http.StatusFound)
		case "/conflict":
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"kind":"Status","reason":"Conflict","message":"the object has been modified"}`)
		case "/proxy":
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, `<html>no upstream</html>`)
		case "/endless":
			for range 300 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		default:
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(w, `{"asked": %q}`, fmt.Sprintf("%s %s %s %s %s",
				req.Method, req.RequestURI, req.Header.Get("Content-Type"), req.Header.Get("Authorization"), body))
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// write puts the files into a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const minimal = `
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %s, certificate-authority: ca.crt}}]
users: [{name: u, user: {tokenFile: token}}]
`

func ask(t *testing.T, c *Client, r Request) (string, error) {
	t.Helper()
	var answer struct{ Asked string }
	err := c.Do(t.Context(), r, &answer)
	return answer.Asked, err
}

func TestRequestsAndAnswers(t *testing.T) {
	address, ca := server(t)
	dir := write(t, map[string]string{"config": fmt.Sprintf(minimal, address), "ca.crt": ca, "token": "one\n"})
	c, err := Load(filepath.Join(dir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ask(t, c, Request{Method: http.MethodGet, Path: "/api/v1/pods", Query: url.Values{"limit": {"5"}}})
	if want := "GET /api/v1/pods?limit=5  Bearer one "; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	// A service account's token is replaced under our feet every hour.
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err = ask(t, c, Request{Method: http.MethodPatch, Path: "/x", Type: MergePatch, Body: map[string]int{"a": 1}})
	if want := `PATCH /x application/merge-patch+json Bearer two {"a":1}`; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}

	_, err = ask(t, c, Request{Method: http.MethodPut, Path: "/conflict"})
	if !Is(err, http.StatusConflict) || err.Error() != "answered 409: the object has been modified" {
		t.Errorf("conflict: %v", err)
	}
	for path, want := range map[string]string{
		"/proxy":   "answered 502 Bad Gateway",
		"/moved":   "answered 302 Found",
		"/endless": "read answer: above 16777216 bytes",
	} {
		if _, err := ask(t, c, Request{Method: http.MethodGet, Path: path}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/"}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time: %v", err)
	}
}

// Where the certificate is not one of the cluster's, nobody gets the token.
func TestStrangerGetsNoToken(t *testing.T) {
	address, _ := server(t)
	dir := write(t, map[string]string{"config": fmt.Sprintf(strings.Replace(minimal, "certificate-authority: ca.crt", "x: y", 1), address), "token": "canary"})
	c, err := Load(filepath.Join(dir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, c, Request{Method: http.MethodGet, Path: "/"}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
}

func TestKubeconfigsThatAreRefused(t *testing.T) {
	ok := fmt.Sprintf(minimal, "https://localhost:6443")
	for name, tt := range map[string]struct{ old, new, want string }{
		"another context": {"current-context: here", "current-context: there", `current-context: no context "there"`},
		"no cluster":      {"cluster: c,", "cluster: d,", `no cluster "d"`},
		"no user":         {"user: u}", "user: v}", `no user "v"`},
		"no token":        {"tokenFile: token", "tokenFile: none", "tokenFile: "},
		"a program":       {"tokenFile: token", "exec: {command: aws}", "exec: no program is run for credentials"},
		"a provider":      {"tokenFile: token", "auth-provider: {name: gcp}", "auth-provider: not supported"},
		"a password":      {"tokenFile: token", "username: me", "username: API servers take no passwords"},
		"somebody else":   {"tokenFile: token", "as: root", "as: not supported"},
		"garbled key":     {"tokenFile: token", "client-key-data: '%'", "client-key-data: is not base64"},
		"no CA":           {"ca.crt", "none.crt", "certificate-authority: "},
		"no URL":          {"https://localhost:6443", "localhost", "server: must be an http or https URL"},
		"userinfo":        {"https://localhost:6443", "https://me:canary@localhost", "without credentials"},
		"a bad proxy":     {"ca.crt", "ca.crt, proxy-url: 'http://me:canary@%'", "proxy-url: is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(ok, tt.old) {
				t.Fatalf("nothing to replace: %s", tt.old)
			}
			dir := write(t, map[string]string{"config": strings.Replace(ok, tt.old, tt.new, 1), "ca.crt": "", "token": "x"})
			_, err := Load(filepath.Join(dir, "config"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestServiceAccount(t *testing.T) {
	address, ca := server(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"KUBERNETES_SERVICE_HOST": u.Hostname(), "KUBERNETES_SERVICE_PORT": u.Port(), "HOSTNAME": "foreshock-0"}
	dir := write(t, map[string]string{"ca.crt": ca, "namespace": "monitoring\n", "token": "sa"})
	c, err := inCluster(dir, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ask(t, c, Request{Method: http.MethodGet, Path: "/version"}); err != nil || got != "GET /version  Bearer sa " {
		t.Errorf("got %q, %v", got, err)
	}
	if want := (Self{Namespace: "monitoring", Pod: "foreshock-0"}); c.Self() != want {
		t.Errorf("self %v, want %v", c.Self(), want)
	}
	// A configuration can be checked elsewhere; it cannot act there.
	if c, err = inCluster(dir, func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, c, Request{Method: http.MethodGet, Path: "/version"}); err == nil || !strings.Contains(err.Error(), "not in a Kubernetes cluster") {
		t.Errorf("outside: %v", err)
	}
}

// Certificates may stand in the file itself, and then are those that count.
func TestCertificatesInTheFile(t *testing.T) {
	address, ca := server(t)
	text := strings.NewReplacer(
		"certificate-authority: ca.crt", "certificate-authority: none, certificate-authority-data: "+base64.StdEncoding.EncodeToString([]byte(ca)),
		"tokenFile: token", "token: inline",
	).Replace(fmt.Sprintf(minimal, address))
	dir := write(t, map[string]string{"config": text})
	c, err := Load(filepath.Join(dir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ask(t, c, Request{Method: http.MethodGet, Path: "/"}); err != nil || got != "GET /  Bearer inline " {
		t.Errorf("got %q, %v", got, err)
	}
}
