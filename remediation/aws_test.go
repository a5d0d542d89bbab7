package remediation

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cloud is what stands in for AWS: it speaks Lambda's Invoke API in front and its
// Runtime API behind, where the function of examples/lambda runs as a process of its
// own, and the three calls of Auto Scaling that the function makes, for one group.
type cloud struct {
	t       *testing.T
	server  *httptest.Server
	pending chan *invocation // taken by the function
	down    chan struct{}    // closed at the end
	// answer replaces the Invoke API where it is set.
	answer atomic.Pointer[http.HandlerFunc]

	mu      sync.Mutex
	running map[string]*invocation
	invoked []string // each request, "DryRun" or the function's payload
	group   group
	log     bytes.Buffer // of the function's process
}

// invocation is one call of the function under way.
type invocation struct {
	id, context string
	payload     []byte
	done        chan struct{} // closed when answer and failed are there
	answer      []byte
	failed      bool
}

// group is the Auto Scaling group called web.
type group struct {
	min, max, desired int
	tags              map[string]string
}

const accessKey, secretKey = "AKIDEXAMPLE", "canary-secret-key"

// newCloud starts all of it and ends it with the test.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{
		t: t, pending: make(chan *invocation), down: make(chan struct{}),
		running: map[string]*invocation{}, group: group{1, 9, 2, map[string]string{}},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", c.invoke)
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", c.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{how}", c.finish)
	mux.HandleFunc("POST /{$}", c.autoscaling)
	c.server = httptest.NewServer(mux)
	t.Cleanup(c.server.Close)
	t.Cleanup(func() { close(c.down) })

	function := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../examples/lambda", "-o", function, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, function)
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(c.server.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=scale", "AWS_LAMBDA_FUNCTION_VERSION=7",
		"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_ENDPOINT_URL_AUTO_SCALING=" + c.server.URL, "AWS_EC2_METADATA_DISABLED=true",
		"HOME=" + t.TempDir(), "MIN=1", "MAX=4",
	}
	cmd.Stderr = logTo{c}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // killed
	})
	return c
}

type logTo struct{ c *cloud }

func (l logTo) Write(p []byte) (int, error) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.c.log.Write(p)
}

// fail answers as AWS's JSON services do.
func fail(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"Type":"User","Message":%q}`, message)
}

// invoke is the Invoke action of the Lambda API.
func (c *cloud) invoke(w http.ResponseWriter, r *http.Request) {
	if f := c.answer.Load(); f != nil {
		(*f)(w, r)
		return
	}
	payload, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+accessKey+"/") {
		fail(w, http.StatusForbidden, "InvalidSignatureException", "not signed")
		return
	}
	if r.PathValue("name") != "scale" {
		fail(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+r.PathValue("name"))
		return
	}
	how := r.Header.Get("X-Amz-Invocation-Type")
	c.mu.Lock()
	if how == "DryRun" {
		c.invoked = append(c.invoked, how)
	} else {
		c.invoked = append(c.invoked, string(payload))
	}
	i := &invocation{id: fmt.Sprintf("request-%d", len(c.invoked)), payload: payload, done: make(chan struct{})}
	c.running[i.id] = i
	c.mu.Unlock()
	if how == "DryRun" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	decoded, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Amz-Client-Context"))
	if err != nil {
		fail(w, http.StatusBadRequest, "InvalidRequestContentException", "client context")
		return
	}
	i.context = string(decoded)
	select {
	case c.pending <- i:
		<-i.done
	case <-c.down:
		return
	}
	w.Header().Set("X-Amz-Executed-Version", r.URL.Query().Get("Qualifier"))
	if r.Header.Get("X-Amz-Log-Type") == "Tail" {
		c.mu.Lock()
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte("START RequestId: "+i.id+"\n"+c.log.String())))
		c.mu.Unlock()
	}
	if i.failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	_, _ = w.Write(i.answer)
}

// next and finish are the Runtime API, as the function's process sees it.
func (c *cloud) next(w http.ResponseWriter, r *http.Request) {
	select {
	case i := <-c.pending:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:scale")
		w.Header().Set("Lambda-Runtime-Client-Context", i.context)
		_, _ = w.Write(i.payload)
	case <-r.Context().Done():
	case <-c.down:
	}
}

func (c *cloud) finish(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	i := c.running[r.PathValue("id")]
	c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if i == nil || err != nil {
		http.Error(w, "no such request", http.StatusBadRequest)
		return
	}
	i.answer, i.failed = body, r.PathValue("how") == "error"
	close(i.done)
	w.WriteHeader(http.StatusAccepted)
}

// autoscaling is the Query API of Auto Scaling.
func (c *cloud) autoscaling(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	type tag struct{ Key, Value string }
	type member struct {
		AutoScalingGroupName              string
		MinSize, MaxSize, DesiredCapacity int
		Tags                              []tag `xml:"Tags>member"`
	}
	var result struct {
		XMLName xml.Name
		Groups  []member `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member"`
	}
	action := r.Form.Get("Action")
	result.XMLName.Local = action + "Response"
	switch action {
	case "DescribeAutoScalingGroups":
		if r.Form.Get("AutoScalingGroupNames.member.1") != "web" {
			break
		}
		m := member{"web", c.group.min, c.group.max, c.group.desired, nil}
		for k, v := range c.group.tags {
			m.Tags = append(m.Tags, tag{k, v})
		}
		result.Groups = []member{m}
	case "CreateOrUpdateTags":
		for i := 1; r.Form.Has(fmt.Sprintf("Tags.member.%d.Key", i)); i++ {
			c.group.tags[r.Form.Get(fmt.Sprintf("Tags.member.%d.Key", i))] = r.Form.Get(fmt.Sprintf("Tags.member.%d.Value", i))
		}
	case "SetDesiredCapacity":
		n, err := strconv.Atoi(r.Form.Get("DesiredCapacity"))
		if err != nil || n < c.group.min || n > c.group.max || r.Form.Get("HonorCooldown") != "true" {
			http.Error(w, "<ErrorResponse><Error><Code>ValidationError</Code></Error></ErrorResponse>", http.StatusBadRequest)
			return
		}
		c.group.desired = n
	default:
		http.Error(w, action, http.StatusBadRequest)
		return
	}
	if err := xml.NewEncoder(w).Encode(result); err != nil {
		c.t.Error(err)
	}
}

func (c *cloud) desired() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.group.desired
}

func (c *cloud) invocations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.invoked...)
}

// action is one that invokes the function.
func (c *cloud) action(change func(*LambdaConfig)) *lambda {
	c.t.Helper()
	config := c.config()
	if change != nil {
		change(&config)
	}
	if err := config.validate("lambda", nil); err != nil {
		c.t.Fatal(err)
	}
	built, err := config.build()
	if err != nil {
		c.t.Fatal(err)
	}
	return built.(*lambda)
}

func (c *cloud) config() LambdaConfig {
	config := DefaultLambdaConfig()
	config.Function, config.Qualifier, config.Endpoint, config.Rollback, config.Idempotent = "scale", "live", c.server.URL, true, true
	config.Parameters = map[string]string{"step": "1"}
	config.SigV4.Region, config.SigV4.AccessKey, config.SigV4.SecretKey = "eu-central-1", accessKey, secretKey
	return config
}
