package remediation

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/internal/stack"
)

// The tests of Kubernetes play against conversations in testdata, which were recorded
// from a real API server. `make e2e-k8s` plays them against a real one, and with
// ARGS=-record writes them anew.
var (
	programs = flag.String("kubernetes", "", "play against a real API server; kube-apiserver and etcd are in this folder")
	record   = flag.Bool("record", false, "write the conversations with it to testdata")
)

// exchange is one request of ours and what the API server said to it.
type exchange struct {
	Request string // method and URI
	Type    string `json:",omitempty"`
	Body    any    `json:",omitempty"`
	Status  int
	Answer  any
}

// conversation is an API server to talk to: a real one, or what one once said.
type conversation struct {
	t       *testing.T
	cluster *stack.Cluster // nil in a replay
	file    string

	mu        sync.Mutex
	exchanges []exchange
	at        int
}

// theCluster is the real API server of all tests, once one has asked for it.
var theCluster struct {
	once    sync.Once
	cluster *stack.Cluster
	stop    func()
	err     error
}

// ended ends the API server after the tests.
type ended struct{ m *testing.M }

func (e ended) Run() int {
	code := e.m.Run()
	if theCluster.stop != nil {
		theCluster.stop()
	}
	return code
}

// converse prepares a conversation and a kubeconfig for it: the service account of
// examples/kubernetes/rbac.yml in an empty namespace.
func converse(t *testing.T, name string) (*conversation, string) {
	t.Helper()
	c := &conversation{t: t, file: filepath.Join("testdata", "kubernetes", name+".json")}
	token := "recorded"
	if *programs != "" {
		c.cluster = startCluster(t)
		var err error
		if token, err = c.cluster.Token(t.Context(), "monitoring", "foreshock"); err != nil {
			t.Fatal(err)
		}
		if *record {
			t.Cleanup(c.write)
		}
	} else {
		b, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatalf("%v: record it with `make e2e-k8s ARGS=-record`", err)
		}
		if err := json.Unmarshal(b, &c.exchanges); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if c.at < len(c.exchanges) && !t.Failed() {
				t.Errorf("%s: %s was not asked", c.file, c.exchanges[c.at].Request)
			}
		})
	}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return c, kubeconfig(t, s.URL, "", token)
}

// kubeconfig writes a kubeconfig file.
func kubeconfig(t *testing.T, server, ca, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`
current-context: test
contexts: [{name: test, context: {cluster: test, user: foreshock}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %q}}]
users: [{name: foreshock, user: {token: %q}}]
`, server, base64.StdEncoding.EncodeToString([]byte(ca)), token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ServeHTTP forwards and records, or replays.
func (c *conversation) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		c.t.Error(err)
	}
	x := exchange{Request: req.Method + " " + req.RequestURI, Type: req.Header.Get("Content-Type"), Body: decoded(body)}
	var answer []byte
	if c.cluster != nil {
		x.Status, answer = c.forward(req, string(body))
		x.Answer = decoded(answer)
		c.mu.Lock()
		c.exchanges = append(c.exchanges, x)
		c.mu.Unlock()
	} else {
		x.Status, answer = c.replay(x)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(x.Status)
	w.Write(answer)
}

func (c *conversation) forward(req *http.Request, body string) (int, []byte) {
	resp, err := c.cluster.Forward(req.Context(), req.Method, req.RequestURI, req.Header.Get("Content-Type"), req.Header.Get("Authorization"), body)
	if err != nil {
		c.t.Error(err)
		return http.StatusBadGateway, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Error(err)
	}
	return resp.StatusCode, answer
}

// replay answers as the real one did, if it is asked what the real one was asked.
func (c *conversation) replay(asked exchange) (int, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == len(c.exchanges) {
		c.t.Errorf("%s: asked %s after the end", c.file, asked.Request)
		return http.StatusTeapot, nil
	}
	told := c.exchanges[c.at]
	c.at++
	want := exchange{Request: told.Request, Type: told.Type, Body: told.Body}
	if got, want := encoded(asked), encoded(want); !bytes.Equal(got, want) {
		c.t.Errorf("%s: asked\n%s\nwhere the real API server was asked\n%s", c.file, got, want)
		return http.StatusTeapot, nil
	}
	return told.Status, encoded(told.Answer)
}

func (c *conversation) write() {
	if c.t.Failed() {
		return
	}
	if err := os.MkdirAll(filepath.Dir(c.file), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.file, append(encoded(c.exchanges), '\n'), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// decoded is JSON without what only makes the files longer.
func decoded(b []byte) any {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return nil
	}
	if m, ok := v.(map[string]any); ok {
		if meta, ok := m["metadata"].(map[string]any); ok {
			delete(meta, "managedFields")
		}
	}
	return v
}

func encoded(v any) []byte {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return b
}

// somebody has an administrator do something, where there is a real API server. APPLY
// writes an object, WAIT waits for a path to be served, EXPECT holds what is there against
// what the words say.
func (c *conversation) somebody(method, path, body string) {
	c.t.Helper()
	if c.cluster == nil {
		return
	}
	var err error
	switch method {
	case "APPLY":
		err = c.cluster.Apply(c.t.Context(), path, body)
	case "WAIT":
		err = errors.New("never asked")
		for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			err = c.cluster.Do(c.t.Context(), http.MethodGet, path, "", "", nil)
		}
	case "EXPECT":
		var is json.RawMessage
		if err = c.cluster.Do(c.t.Context(), http.MethodGet, path, "", "", &is); err == nil && !strings.Contains(string(is), body) {
			err = fmt.Errorf("%s does not say %s: %s", path, body, is)
		}
	default:
		err = c.cluster.Do(c.t.Context(), method, path, "application/merge-patch+json", body, nil)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// startCluster starts the API server once, gives the service account its rights, and
// empties the namespaces that tests use.
func startCluster(t *testing.T) *stack.Cluster {
	t.Helper()
	theCluster.once.Do(func() {
		dir, err := os.MkdirTemp("", "foreshock-kubernetes")
		if err != nil {
			theCluster.err = err
			return
		}
		s := &stack.Stack{Dir: dir, Bin: *programs}
		theCluster.stop = func() { s.Stop(); os.RemoveAll(dir) }
		ctx := context.Background()
		if theCluster.cluster, theCluster.err = s.Kubernetes(ctx); theCluster.err == nil {
			theCluster.err = furnish(ctx, theCluster.cluster)
		}
	})
	if theCluster.err != nil {
		t.Fatal(theCluster.err)
	}
	for _, path := range []string{
		"/apis/apps/v1/namespaces/shop/deployments", "/apis/apps/v1/namespaces/shop/replicasets",
		"/apis/apps/v1/namespaces/shop/statefulsets", "/apis/apps/v1/namespaces/shop/daemonsets",
		"/api/v1/namespaces/shop/pods?gracePeriodSeconds=0", "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
		"/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers", "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects",
		"/apis/coordination.k8s.io/v1/namespaces/foreshock/leases",
	} {
		if err := theCluster.cluster.Do(t.Context(), http.MethodDelete, path, "", "", nil); err != nil && !strings.Contains(err.Error(), "404") {
			t.Fatal(err)
		}
	}
	return theCluster.cluster
}

// collections are where the kinds of examples/kubernetes/rbac.yml are.
var collections = map[string]string{
	"ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts/%s",
	"Role":           "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/roles/%s",
	"RoleBinding":    "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings/%s",
}

func furnish(ctx context.Context, c *stack.Cluster) error {
	for _, namespace := range []string{"shop", "monitoring", "foreshock"} {
		if err := c.Apply(ctx, "/api/v1/namespaces/"+namespace, `{apiVersion: v1, kind: Namespace, metadata: {name: `+namespace+`}}`); err != nil {
			return err
		}
	}
	text, err := os.ReadFile("../examples/kubernetes/rbac.yml")
	if err != nil {
		return err
	}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var o struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			return err
		}
		if err := c.Apply(ctx, fmt.Sprintf(collections[o.Kind], o.Metadata.Namespace, o.Metadata.Name), document); err != nil {
			return err
		}
	}
	return nil
}
