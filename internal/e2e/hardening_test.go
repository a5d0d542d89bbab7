package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
	"github.com/foreshock/foreshock/receiver"
)

// TestGoodAmongBad: with 2 000 connections half-open and twenty that drip their bodies, a
// good write is taken at once, also while the largest of bad requests come; the log hardly
// grows, and the connections that drip are cut.
func TestGoodAmongBad(t *testing.T) {
	const half, slow = 2000, 20
	s := start(t, "testdata/stack")
	p := sidecar(t, s)
	url := s.URL(9797, "/api/v1/write")
	good := func() time.Duration {
		t.Helper()
		began := time.Now()
		if status, err := post(url, loadRequest(0, time.Now().UnixMilli(), 1), nil); err != nil || status != http.StatusNoContent {
			t.Errorf("a good write: %d, %v", status, err)
		}
		return time.Since(began)
	}
	good()
	open := metric(t, s, 9797, "process_open_fds", nil)
	before := calm(t, p)
	logged := len(p.Log())

	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	hold := func(said string) {
		c := must[net.Conn](t)(net.Dial("tcp", s.Addr(9797)))
		held = append(held, c)
		if _, err := io.WriteString(c, said); err != nil {
			t.Fatal(err)
		}
	}
	for i := range half {
		hold([]string{"", "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nX-Drip: "}[i%2])
	}
	for range slow {
		hold("POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100_000))
	}
	holding, _ := rss(t, p.Pid())
	bad := make(chan error, 1)
	go func() {
		_, err := post(url, make([]byte, int(receiver.DefaultConfig().MaxBody)), nil)
		bad <- err
	}()
	var took []time.Duration
	for range 50 {
		took = append(took, good())
	}
	if err := <-bad; err != nil {
		t.Errorf("the bad request: %v", err)
	}
	_, peak := rss(t, p.Pid())
	kept := metric(t, s, 9797, "foreshock_gate_connections", map[string]string{"state": "half_open"})
	lines := len(p.Log()) - logged
	t.Logf("%.0f half-open: good writes took %s at most, %s in the middle; memory %+.1f MiB by holding, %+.1f at most; %d B of log",
		kept, slices.Max(took), slices.Sorted(slices.Values(took))[len(took)/2], float64(holding-before)/mib, float64(peak-before)/mib, lines)
	if kept < half*9/10 {
		t.Errorf("only %v connections were half-open", kept)
	}
	if slices.Max(took) > 5*time.Second { // 250 ms on a quiet machine
		t.Errorf("a good write took %s", slices.Max(took))
	}
	if lines > 4<<10 {
		t.Errorf("%d bytes of log:\n%s", lines, p.Log()[logged:])
	}
	eventually(t, 75*time.Second, "those that drip their header are cut", func() bool {
		return metric(t, s, 9797, "foreshock_gate_connections", map[string]string{"state": "half_open"}) == 0 &&
			metric(t, s, 9797, "process_open_fds", nil) < open+2*slow
	})
}

// TestEveryAnswerCarriesThePolicy: whatever is asked, a browser is told what it may do with
// the answer; the page's parts are served by a content type of their own.
func TestEveryAnswerCarriesThePolicy(t *testing.T) {
	s := start(t, "testdata/stack")
	sidecar(t, s)
	for _, path := range []string{
		"/", "/assets/console.js", "/assets/console.css", "/assets/icon.svg", "/nothing", "/metrics", "/metrics/anomalies",
		"/api/v1/status", "/api/v1/incidents", "/api/v1/incidents/none", "/api/v1/windows", "/api/v1/explain", "/api/v1/remediations",
		"/api/v1/query?query=up", "/api/v1/query?query=)", "/api/v1/labels", "/api/v1/write", "/api/v1/alertmanager/webhook",
		"/-/healthy", "/-/ready", "/-/reload", "/debug/pprof/",
	} {
		resp, err := http.Get(s.URL(9797, path))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'self';") || strings.Contains(policy, "unsafe") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d with %v", path, resp.StatusCode, resp.Header)
		}
	}
}

// TestOneWebConfig: the file that every exporter understands lets in who has a certificate
// and the password, and nobody else, whatever is asked; the webhook wants its token beside.
func TestOneWebConfig(t *testing.T) {
	s := start(t, "testdata/stack")
	authority, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca.pem": authority.pem} {
		write(t, s, name, string(text))
	}
	cert, key := authority.issue(t, "localhost")
	write(t, s, "server.pem", cert)
	write(t, s, "server.key", key)
	write(t, s, "web.yml", `
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus]
basic_auth_users: {prometheus: $2a$04$sCBTuvA2H3uBQHGanjUYO.8D8YTEgUYxLbU821BU5O8kZcicft8e6} # secret
`)
	p := must[*stack.Process](t)(s.Start(program(t), "--config.file=foreshock.yml", "--storage.path=foreshock-data", "--web.config.file=web.yml", "--web.listen-address="+s.Addr(9797)))

	pool := x509.NewCertPool()
	pool.AddCert(authority.cert)
	client := func(name string) *http.Client {
		c := &tls.Config{RootCAs: pool}
		if name != "" {
			cert, key := authority.issue(t, name)
			c.Certificates = []tls.Certificate{must[tls.Certificate](t)(tls.X509KeyPair([]byte(cert), []byte(key)))}
		}
		return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	}
	ask := func(c *http.Client, method, path, body, password string, header http.Header) int {
		req := must[*http.Request](t)(http.NewRequest(method, "https://"+s.Addr(9797)+path, strings.NewReader(body)))
		for name, values := range header {
			req.Header[name] = values
		}
		if password != "" {
			req.SetBasicAuth("prometheus", password)
		}
		resp, err := c.Do(req)
		if err != nil {
			return 0 // the connection was refused
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	known := client("prometheus")
	eventually(t, 30*time.Second, "it serves", func() bool { return ask(known, "GET", "/-/ready", "", "secret", nil) == 200 })

	token := read(t, s, "webhook.token")
	with := func(name, value string) http.Header {
		return http.Header{"Content-Type": {"application/json"}, name: {value}}
	}
	const webhook, nothing = "/api/v1/alertmanager/webhook", `{"version": "4", "alerts": []}`
	for _, c := range []struct {
		name, method, path, body, password string
		client                             *http.Client
		header                             http.Header
		want                               int
	}{
		{"no certificate", "GET", "/-/ready", "", "secret", client(""), nil, 0},
		{"another's certificate", "GET", "/-/ready", "", "secret", client("mallory"), nil, 0},
		{"no password", "GET", "/metrics", "", "", known, nil, 401},
		{"a wrong password", "POST", "/api/v1/write", "", "guess", known, nil, 401},
		{"the page, no password", "GET", "/", "", "", known, nil, 401},
		{"all", "GET", "/metrics", "", "secret", known, nil, 200},
		{"webhook, no token", "POST", webhook, nothing, "secret", known, with("X-Other", "x"), 401},
		{"webhook, a wrong token", "POST", webhook, nothing, "secret", known, with("X-Foreshock-Token", "x"), 401},
		{"webhook, the token", "POST", webhook, nothing, "secret", known, with("X-Foreshock-Token", token), 200},
		{"webhook, no password", "POST", webhook, nothing, "", known, with("X-Foreshock-Token", token), 401},
		{"dismissal, no token", "POST", "/api/v1/incidents/x/dismiss", `{}`, "secret", known, with("X-Other", "x"), 401},
		{"approval, no token", "POST", "/api/v1/remediations/x/approve", `{}`, "secret", known, with("X-Other", "x"), 401},
		{"reload while it is off", "POST", "/-/reload", "", "secret", known, nil, 403},
	} {
		if got := ask(c.client, c.method, c.path, c.body, c.password, c.header); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if text := p.Log(); strings.Contains(text, "secret") || strings.Contains(text, token) {
		t.Errorf("the log tells secrets:\n%s", text)
	}
}

// TestNoSecretIsTold: secrets stand in files, the environment, the userinfo of URLs and
// headers, and everything they are for fails. No log, page, metric, answer or error has them.
func TestNoSecretIsTold(t *testing.T) {
	const canary = "canary-7f3a"
	s := start(t, "testdata/stack")
	s.Env = []string{"FORESHOCK_TEST_SECRET=" + canary + "-env"}
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")) // hangs up on whoever comes
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	dead := l.Addr().String()
	for _, name := range []string{"password", "credentials", "hook", "token"} {
		write(t, s, name+".secret", canary+"-"+name+"-file")
	}
	write(t, s, "hook.url", "http://robot:"+canary+"-urlfile@"+dead+"/"+canary+"-path")
	write(t, s, "rules.yml", restartRules+"\n")
	write(t, s, "foreshock.yml", strings.NewReplacer("DEAD", dead, "CANARY", canary).Replace(`
rule_files: [rules.yml]
detector: {warm_up: 30}
remote_write:
  - url: http://writer:CANARY-userinfo@DEAD/write
    headers: {X-Scope: CANARY-header}
    basic_auth: {username: w, password: CANARY-password}
  - url: http://DEAD/write2
    authorization: {credentials_file: credentials.secret}
alerting:
  alertmanagers:
    - static_configs: [{targets: ["DEAD"]}]
      basic_auth: {username: a, password_file: password.secret}
remediation:
  mode: auto
  single_instance: true
  approval_token_file: approval.token
  webhook_token_file: token.secret
  actions:
    - name: call
      targets: ["0"]
      webhook: {url_file: hook.url}
    - name: tell
      webhook:
        url: http://robot:CANARY-action@DEAD/CANARY-secretpath
        http_config: {authorization: {credentials: CANARY-bearer}}
    - name: fail
      exec: {command: [/bin/false]}
evidence:
  sources:
    - name: logs
      kind: loki
      url: http://DEAD
      queries: ['{instance=${instance}}']
      http_config: {basic_auth: {username: l, password: CANARY-logs}}
`))
	write(t, s, "rules.yml", `
groups:
  - name: all
    rules:
      - {watch: load, select: load, emit: all}
      - {remedy: call_it, match: '{rule="load"}', action: tell}
`)
	write(t, s, "approval.token", canary+"-approval")
	p := sidecar(t, s, "--log.level=debug", "--web.enable-lifecycle", "--web.enable-pprof")
	resume(t, s)
	from := time.Now().Add(-510 * 15 * time.Second).UnixMilli()
	for n := range 510 {
		if status, err := post(s.URL(9797, "/api/v1/write"), fleetRequest(n, from), http.Header{"Authorization": {"Bearer " + canary + "-sent"}}); err != nil || status != http.StatusNoContent {
			t.Fatal(status, err)
		}
	}
	notify := func(token string) (int, string) {
		body := fmt.Sprintf(`{"version":"4","alerts":[{"status":"firing","labels":{"rule":"load"},"startsAt":%q}]}`, time.Now().Format(time.RFC3339))
		req := must[*http.Request](t)(http.NewRequest("POST", s.URL(9797, "/api/v1/alertmanager/webhook"), strings.NewReader(body)))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode, string(must[[]byte](t)(io.ReadAll(resp.Body)))
	}
	if status, text := notify(canary + "-guess"); status != http.StatusUnauthorized || strings.Contains(text, canary) {
		t.Errorf("a wrong token: %d %s", status, text)
	}
	if status, text := notify(canary + "-token-file"); status != http.StatusOK {
		t.Fatalf("the right token: %d %s", status, text)
	}
	eventually(t, 60*time.Second, "everything has failed", func() bool {
		return metric(t, s, 9797, "foreshock_emitter_samples_retried_total", nil) > 0 &&
			metric(t, s, 9797, "foreshock_evidence_lookups_failed_total", nil) > 0 &&
			metric(t, s, 9797, "foreshock_remediation_transitions_total", map[string]string{"state": "failed"}) > 0
	})
	told := func(where, text string) {
		for _, line := range strings.Split(text, "\n") {
			if strings.Contains(line, canary) {
				t.Errorf("%s tells: %.400s", where, line)
			}
		}
	}
	for _, path := range []string{
		"/", "/metrics", "/metrics/anomalies", "/api/v1/status", "/api/v1/incidents", "/api/v1/remediations", "/api/v1/windows?match%5B%5D=load",
		"/api/v1/explain?match%5B%5D=load", "/api/v1/labels", "/-/ready", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2",
	} {
		resp, err := http.Get(s.URL(9797, path))
		if err != nil {
			t.Fatal(err)
		}
		told(path, string(must[[]byte](t)(io.ReadAll(resp.Body))))
		resp.Body.Close()
	}
	if status, err := post(s.URL(9797, "/-/reload"), nil, nil); err != nil || status != 200 {
		t.Errorf("reload: %d %v", status, err)
	}
	// Mistakes in the very places where secrets stand are told without them.
	write(t, s, "broken.yml", strings.ReplaceAll(`
remote_write: [{url: "http://u:CANARY-broken@[::1", headers: {Authorization: CANARY-denied}, basic_auth: {username: u, password: CANARY-x, password_file: y}}]
remediation:
  webhook_token: CANARY-inline
  webhook_token_file: token.secret
  actions: [{name: a, webhook: {url: "CANARY-scheme://x", body: "{{.CANARY"}}]
evidence: {sources: [{name: l, kind: loki, url: "http://logs:CANARY-logs@[::1", queries: ['{a="b"}']}]}
`, "CANARY", canary))
	check := must[*stack.Process](t)(s.Start(program(t), "check", "broken.yml"))
	if check.Wait() == nil {
		t.Error("the broken file is said to be right")
	}
	told("check or the log", check.Log())
	told("the log", p.Log())
	data, err := os.ReadDir(filepath.Join(s.Dir, "foreshock-data", "ledger"))
	if err != nil || len(data) == 0 {
		t.Fatal(len(data), err)
	}
	for _, f := range data {
		text, err := os.ReadFile(filepath.Join(s.Dir, "foreshock-data", "ledger", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		told("the ledger", string(text))
	}
}
