package remediation

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

func (c *cloud) prepare(l *lambda, target, fingerprint string) deed {
	c.t.Helper()
	p := on(target)
	p.Fingerprint = fingerprint
	d, err := l.prepare(p)
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

// The function of examples/lambda, called by the real SDK: one step for one episode,
// within its own bounds, and back.
func TestLambdaScalesWithinBounds(t *testing.T) {
	c := newCloud(t)
	l := c.action(nil)
	do := func(f func(d deed) (string, error), fingerprint string) string {
		t.Helper()
		said, err := f(c.prepare(l, "web", fingerprint))
		return fmt.Sprintf("%d %s%s", c.desired(), strings.SplitN(said, "\n", 2)[0], errorText(err))
	}
	act := func(d deed) (string, error) { return d.do(t.Context()) }
	undo := func(d deed) (string, error) { return d.undo(t.Context()) }
	rehearse := func(d deed) (string, error) { return d.rehearse(t.Context()) }
	if said, _ := c.prepare(l, "", "a").do(t.Context()); !strings.Contains(said, "START RequestId: request-1") {
		t.Errorf("said %q, which lacks the log", said)
	}
	for _, step := range []struct{ got, want string }{
		{do(rehearse, "a"), "2 scale may be invoked; more cannot be known without"},
		{do(act, "a"), `3 {"group":"web","from":2,"to":3}`},
		{do(act, "a"), `3 {"group":"web","from":3,"to":3,"repeated":true}`},
		{do(act, "b"), `4 {"group":"web","from":3,"to":4}`},
		{do(act, "c"), `4 {"errorMessage":"5 instances are not within 1 to 4","errorType":"errorString"}the function failed: 5 instances are not within 1 to 4`},
		{do(undo, "a"), `4 {"errorMessage":"the last step was another: there is nothing to take back","errorType":"errorString"}the function failed: the last step was another: there is nothing to take back`},
		{do(undo, "b"), `3 {"group":"web","from":4,"to":3}`},
		{do(undo, "b"), `3 {"group":"web","from":3,"to":3,"repeated":true}`},
	} {
		if step.got != step.want {
			t.Errorf("got  %s\nwant %s", step.got, step.want)
		}
	}
	var request lambdaRequest
	invoked := c.invocations()
	if invoked[1] != "DryRun" || len(invoked) != 9 {
		t.Fatalf("%d invocations: %s", len(invoked), invoked)
	}
	if err := json.Unmarshal([]byte(invoked[2]), &request); err != nil {
		t.Fatal(err)
	}
	p := on("web")
	p.Fingerprint = "a"
	if request.IdempotencyKey != p.id() || request.Operation != "do" || request.Parameters["step"] != "1" || request.Plan.Labels["evil"] != p.Labels["evil"] {
		t.Errorf("the function was given %+v", request)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	want := `{"custom":{"foreshock_idempotency_key":"` + p.id() + `","foreshock_operation":"do"}}`
	if got := c.running["request-3"].context; got != want {
		t.Errorf("client context %s, want %s", got, want)
	}
}

// The function of examples/lambda scales to what is foreseen, up and down, once, and is bound
// by its own MIN and MAX whatever it is asked for.
func TestLambdaScalesToWhatIsForeseen(t *testing.T) {
	c := newCloud(t) // 2 instances, from 1 to 4
	l := c.action(nil)
	step := func(fingerprint, value string, undo bool) string {
		p := on("web")
		p.Fingerprint, p.Value = fingerprint, value
		d, err := l.prepare(p)
		if err != nil {
			t.Fatal(err)
		}
		act := d.do
		if undo {
			act = d.undo
		}
		said, err := act(t.Context())
		return fmt.Sprintf("%d %s", c.desired(), cmp.Or(errorText(err), strings.SplitN(said, "\n", 2)[0]))
	}
	for _, tc := range []struct {
		fingerprint, value string
		undo               bool
		want               string
	}{
		{"a", "4", false, `4 {"group":"web","from":2,"to":4}`},
		{"a", "4", false, `4 {"group":"web","from":4,"to":4,"repeated":true}`},
		{"a", "4", true, `2 {"group":"web","from":4,"to":2}`},
		{"b", "4", false, `4 {"group":"web","from":2,"to":4}`},
		{"c", "1", false, `1 {"group":"web","from":4,"to":1}`},
		{"d", "5", false, `1 the function failed: 5 instances are not within 1 to 4`},
		{"e", "0", false, `1 the function failed: 0 instances are not within 1 to 4`},
		{"f", "9999999999", false, `1 the function failed: the plan's value must be a number of instances, got "9999999999"`},
		{"g", "3 ", false, `1 the function failed: the plan's value must be a number of instances, got "3 "`},
	} {
		if got := step(tc.fingerprint, tc.value, tc.undo); got != tc.want {
			t.Errorf("%s to %q: got  %s\nwant %s", tc.fingerprint, tc.value, got, tc.want)
		}
	}
}

// answering is somebody who answers instead of Lambda, and how often they were asked.
func answering(t *testing.T, f http.HandlerFunc) (*cloud, *atomic.Int64) {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		f(w, r)
	}))
	t.Cleanup(server.Close)
	return &cloud{t: t, server: server}, &calls
}

// Whatever answers instead of Lambda: one request, a bounded answer, no secrets.
func TestLambdaHostileAnswers(t *testing.T) {
	elsewhere, followed := answering(t, func(http.ResponseWriter, *http.Request) {})
	for name, tc := range map[string]struct {
		respond http.HandlerFunc
		want    string
	}{
		"unknown function": {func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found")
		}, "ResourceNotFoundException: Function not found"},
		"throttled": {func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate exceeded")
		}, "Rate exceeded"},
		"broken": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "StatusCode: 500"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.server.URL, http.StatusTemporaryRedirect)
		}, "StatusCode: 307"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "request send failed"},
		"says who asked": {func(w http.ResponseWriter, r *http.Request) {
			fail(w, http.StatusForbidden, "AccessDeniedException", r.Header.Get("Authorization")+" "+secretKey)
		}, "<secret>"},
		"never ends": {func(w http.ResponseWriter, _ *http.Request) {
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, "the answer is larger than 6356992 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c, calls := answering(t, tc.respond)
			said, err := c.prepare(c.action(nil), "web", "a").do(t.Context())
			got := said + errorText(err)
			if err == nil || !strings.Contains(got, tc.want) || calls.Load() != 1 {
				t.Errorf("%d calls, %q, want %q", calls.Load(), got, tc.want)
			}
			if strings.Contains(got, secretKey) || strings.Contains(got, "Signature=") || len(got) > maxReason {
				t.Errorf("%d bytes: %.2000s", len(got), got)
			}
		})
	}
	if n := followed.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
	release := make(chan struct{})
	c, calls := answering(t, func(http.ResponseWriter, *http.Request) { <-release })
	slow := c.action(func(c *LambdaConfig) { c.Timeout = model.Duration(50 * time.Millisecond) })
	if _, err := c.prepare(slow, "web", "a").do(t.Context()); errorText(err) != "no answer, and it may have acted: did not finish within 50ms" || calls.Load() > 1 {
		t.Errorf("%d calls: %v", calls.Load(), err)
	}
	close(release)
}

func TestLambdaMetadataIsNoEndpoint(t *testing.T) {
	c := &cloud{t: t, server: &httptest.Server{URL: "http://169.254.169.254"}}
	if _, err := c.prepare(c.action(nil), "web", "a").do(t.Context()); !strings.Contains(errorText(err), "169.254.169.254 is no place for an action") {
		t.Errorf("%v", err)
	}
}

func TestLambdaConfigMistakes(t *testing.T) {
	for _, function := range []string{"", "a/b", "../x", "scale:live", "{{x}}", "arn:aws:lambda:eu:1:function:x", "scale\n", "http://x", strings.Repeat("a", 65)} {
		c := DefaultLambdaConfig()
		c.Function = function
		if err := c.validate("lambda", nil); !strings.Contains(errorText(err), "lambda.function: must be a name or an ARN") {
			t.Errorf("%q: %v", function, err)
		}
	}
	c := DefaultLambdaConfig()
	c.Function, c.Qualifier, c.Endpoint, c.Timeout = "arn:aws:lambda:eu-central-1:123456789012:function:scale", "a b", "file:///x", 0
	err := c.validate("lambda", nil)
	for _, want := range []string{"lambda.qualifier: must be a version or an alias", "lambda.endpoint: must be an http or https URL", "lambda.timeout: must be from 1ms"} {
		if !strings.Contains(errorText(err), want) || strings.Contains(errorText(err), "function") {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	if _, err := c.build(); !strings.Contains(errorText(err), "sigv4: region: must be set") {
		t.Errorf("built with %v", err)
	}
}
