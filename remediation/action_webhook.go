package remediation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"text/template"
	"text/template/parse"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// WebhookConfig is an action that posts JSON to a fixed URL. An answer of 2xx is
// success; nothing is tried twice, because the first try may have worked.
type WebhookConfig struct {
	// URL is where to post to. It is kept secret, since many carry their
	// credentials in it.
	URL promconfig.Secret `yaml:"url,omitempty"`

	// URLFile names a file that holds the URL instead. It is read at start and at
	// every reload.
	URLFile string `yaml:"url_file,omitempty"`

	// Slack sends what Slack's incoming webhooks, and those that imitate them,
	// understand: {"text": "…"}.
	Slack bool `yaml:"slack,omitempty"`

	// Body is a Go template for a body of your own, which must be JSON. Its fields
	// are .Rule, .Action, .Target, .Status, .Labels, .Fingerprint and .StartsAt,
	// and everything it prints must end in "| json", which writes a JSON value,
	// quotes included: {"text": {{printf "restart %s" .Target | json}}}.
	// Empty means all the fields as one object.
	Body string `yaml:"body,omitempty"`

	// Timeout is how long the whole exchange may take. From 1ms to 10m.
	Timeout model.Duration `yaml:"timeout"`

	// HTTPConfig has the credentials, TLS and proxy, as in Prometheus. Redirects
	// are never followed, whatever follow_redirects says: an action goes to the
	// configured URL or nowhere.
	HTTPConfig promconfig.HTTPClientConfig `yaml:"http_config,omitempty"`
}

// DefaultWebhookConfig is what a webhook action starts from.
func DefaultWebhookConfig() WebhookConfig {
	return WebhookConfig{
		Timeout:    model.Duration(10 * time.Second),
		HTTPConfig: promconfig.DefaultHTTPClientConfig,
	}
}

// UnmarshalYAML decodes over the defaults.
func (c *WebhookConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain WebhookConfig
	*c = DefaultWebhookConfig()
	return unmarshal((*plain)(c))
}

// SetDirectory makes relative file names relative to dir.
func (c *WebhookConfig) SetDirectory(dir string) {
	c.URLFile = promconfig.JoinDir(dir, c.URLFile)
	c.HTTPConfig.SetDirectory(dir)
}

func (c WebhookConfig) validate(path string, _ []string) error {
	var errs []error
	switch {
	case c.URL != "" && c.URLFile != "":
		errs = append(errs, fmt.Errorf("%s.url: must not be set beside url_file", path))
	case c.URL == "" && c.URLFile == "":
		errs = append(errs, fmt.Errorf("%s.url: must be set, or url_file", path))
	case c.URL != "":
		if _, err := parseURL(string(c.URL)); err != nil {
			errs = append(errs, fmt.Errorf("%s.url: %w", path, err))
		}
	}
	if c.Slack && c.Body != "" {
		errs = append(errs, fmt.Errorf("%s.body: must not be set beside slack", path))
	}
	if _, err := parseBody(c.template()); err != nil {
		errs = append(errs, fmt.Errorf("%s.body: %w", path, err))
	}
	errs = append(errs, checkTimeout(path, c.Timeout))
	if err := c.HTTPConfig.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("%s.http_config: %w", path, err))
	}
	return errors.Join(errs...)
}

// parseURL never shows the URL it refuses: it may hold a secret.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, errors.New("must be an http or https URL with a host")
	}
	return u, nil
}

const (
	wholePlan = `{{json .}}`

	slackText = `{{$on := ""}}{{if .Target}}{{$on = printf " on %s" (slack .Target)}}{{end -}}
{"text": {{printf "Foreshock: %s%s for %s, by rule %s" (slack .Action) $on (slack .Labels.alertname) (slack .Rule) | json}}}`
)

func (c WebhookConfig) template() string {
	switch {
	case c.Slack:
		return slackText
	case c.Body != "":
		return c.Body
	}
	return wholePlan
}

// parseBody refuses a template that could let a label write JSON: every value it
// prints must pass through json last, and what it makes of a sample must be JSON.
func parseBody(text string) (*template.Template, error) {
	t, err := template.New("body").Option("missingkey=zero").Funcs(template.FuncMap{
		"json":  toJSON,
		"slack": slackEscape.Replace,
	}).Parse(text)
	if err != nil {
		return nil, err
	}
	for _, t := range t.Templates() {
		if t.Tree == nil {
			continue
		}
		if err := checkPrinted(t.Root); err != nil {
			return nil, err
		}
	}
	if _, err := renderBody(t, samplePlan); err != nil {
		return nil, err
	}
	return t, nil
}

var samplePlan = plan{
	Rule: "rule", Action: "action", Target: "target", Status: string(model.AlertFiring),
	Labels:      map[string]string{model.AlertNameLabel: "alert"},
	Fingerprint: "0123456789abcdef",
	StartsAt:    time.Unix(0, 0).UTC(),
}

// checkPrinted walks the tree and finds a pipeline that prints without json.
func checkPrinted(n parse.Node) error {
	var errs []error
	branch := func(b parse.BranchNode) {
		errs = append(errs, checkPrinted(b.List))
		if b.ElseList != nil {
			errs = append(errs, checkPrinted(b.ElseList))
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			errs = append(errs, checkPrinted(child))
		}
	case *parse.IfNode:
		branch(n.BranchNode)
	case *parse.RangeNode:
		branch(n.BranchNode)
	case *parse.WithNode:
		branch(n.BranchNode)
	case *parse.ActionNode:
		last := n.Pipe.Cmds[len(n.Pipe.Cmds)-1]
		name, ok := last.Args[0].(*parse.IdentifierNode)
		if len(n.Pipe.Decl) == 0 && (!ok || name.Ident != "json") {
			return fmt.Errorf("line %d: %s must end in | json", n.Line, n)
		}
	}
	return errors.Join(errs...)
}

func renderBody(t *template.Template, p plan) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, err
	}
	if !json.Valid(b.Bytes()) {
		return nil, errors.New("does not make JSON")
	}
	return b.Bytes(), nil
}

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// slackEscape keeps labels from being read as links and mentions: <!channel>.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// webhook is the action made ready.
type webhook struct {
	url     string
	body    *template.Template
	client  *http.Client
	timeout time.Duration
}

func (c WebhookConfig) build() (action, error) {
	address := string(c.URL)
	if c.URLFile != "" {
		var err error
		if address, err = readSecret(c.URLFile); err == nil {
			_, err = parseURL(address)
		}
		if err != nil {
			return nil, fmt.Errorf("url_file: %w", err)
		}
	}
	body, err := parseBody(c.template())
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	hc := c.HTTPConfig
	hc.FollowRedirects = false
	client, err := promconfig.NewClientFromConfig(hc, "remediation",
		promconfig.WithUserAgent("Foreshock"),
		// Actions are rare: a kept connection would be a stale one.
		promconfig.WithKeepAlivesDisabled(),
		promconfig.WithDialContextFunc((&net.Dialer{Control: refuseLinkLocal}).DialContext))
	if err != nil {
		return nil, fmt.Errorf("http_config: %w", err)
	}
	return &webhook{address, body, client, time.Duration(c.Timeout)}, nil
}

// refuseLinkLocal keeps a name that resolves to a cloud's metadata service, or to
// nowhere in particular, from being dialled. It sees the address after DNS.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := ap.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == awsMetadata {
		return fmt.Errorf("%s is no place for an action", ip)
	}
	return nil
}

// awsMetadata is where AWS serves instance credentials over IPv6; over IPv4, as
// everywhere, it is the link-local 169.254.169.254.
var awsMetadata = netip.MustParseAddr("fd00:ec2::254")

func (w *webhook) prepare(p plan) (deed, error) {
	body, err := renderBody(w.body, p)
	if err != nil {
		return deed{}, err
	}
	return deed{
		digest: digest("webhook", w.url, string(body)),
		do:     func(ctx context.Context) (string, error) { return w.post(ctx, body, p) },
	}, nil
}

// post sends the body once. It sets no Idempotency-Key, which Go's transport reads
// as leave to send a POST again.
func (w *webhook) post(ctx context.Context, body []byte, p plan) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	seen := newSecrets(w.url)
	req, err := http.NewRequestWithContext(seen.watch(ctx), http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return "", errors.New("make request") // the cause would show the URL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Foreshock-Remediation", p.id())
	resp, err := w.client.Do(req)
	if ctx.Err() != nil {
		return "", fmt.Errorf("no answer, and it may have acted: %w", interrupted(ctx, w.timeout))
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // it would show the URL
	}
	if err != nil {
		return "", errors.New(seen.redact(err.Error()))
	}
	defer resp.Body.Close()
	var out excerpt
	_, _ = io.Copy(&out, io.LimitReader(resp.Body, maxOutput)) // the status is the answer
	output := seen.redact(out.String())
	if resp.StatusCode/100 != 2 {
		return output, fmt.Errorf("answered %s", seen.redact(clip(resp.Status, 100)))
	}
	return output, nil
}
