package stack

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Cluster is a real API server of Kubernetes and its etcd. There are no controllers and
// no nodes: objects are what somebody has written, and nothing else happens to them.
type Cluster struct {
	URL   string
	CA    string // PEM
	admin http.Client
}

// adminToken is that of a user whom RBAC does not hold back. It lives as long as the
// cluster, on loopback.
const adminToken = "admin"

// Kubernetes starts etcd and kube-apiserver, with RBAC, and waits until they are ready,
// which takes 10 s.
func (s *Stack) Kubernetes(ctx context.Context) (*Cluster, error) {
	var ports [3]int
	for i := range ports {
		port, err := choosePort(0, true)
		if err != nil {
			return nil, err
		}
		ports[i] = port
	}
	etcd, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	if _, err := s.Start(filepath.Join(s.Bin, "etcd"), "--name=one", "--data-dir=etcd-data",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=one="+peer,
		"--unsafe-no-fsync", "--log-level=warn"); err != nil {
		return nil, err
	}
	if err := s.serviceAccountKey(); err != nil {
		return nil, err
	}
	tokens := adminToken + ",admin,admin,system:masters\n"
	if err := os.WriteFile(filepath.Join(s.Dir, "tokens.csv"), []byte(tokens), 0o600); err != nil {
		return nil, err
	}
	p, err := s.Start(filepath.Join(s.Bin, "kube-apiserver"), "--etcd-servers="+etcd,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
		"--cert-dir=certs", "--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key",
		"--authorization-mode=RBAC", "--token-auth-file=tokens.csv",
		"--disable-admission-plugins=ServiceAccount")
	if err != nil {
		return nil, err
	}
	c := &Cluster{URL: fmt.Sprintf("https://127.0.0.1:%d", ports[2])}
	return c, c.ready(ctx, p, filepath.Join(s.Dir, "certs", "apiserver.crt"))
}

// serviceAccountKey makes the key that service accounts' tokens are signed with.
func (s *Stack) serviceAccountKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"sa.key": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		"sa.pub": {Type: "PUBLIC KEY", Bytes: public},
	} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the API server has made its certificate and says that it is ready.
func (c *Cluster) ready(ctx context.Context, p *Process, certificate string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute) // a busy machine
	defer cancel()
	for {
		if ca, err := os.ReadFile(certificate); err == nil {
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(ca)
			c.CA = string(ca)
			c.admin.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
			if c.Do(ctx, http.MethodGet, "/readyz", "", "", nil) == nil {
				return nil
			}
		}
		select {
		case <-p.exited:
			return fmt.Errorf("kube-apiserver ended before it was ready (%v); it said:\n%s", p.err, tail(p.Log(), 20))
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver was not ready in time; it said:\n%s", tail(p.Log(), 20))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Do sends a request as the administrator and decodes the answer, unless that is nil. Any
// status but 2xx is an error.
func (c *Cluster) Do(ctx context.Context, method, path, mediaType, body string, answer any) error {
	resp, err := c.Forward(ctx, method, path, mediaType, "Bearer "+adminToken, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(b))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(b, answer)
}

// Forward sends a request with whatever authorization it is given, as it stands.
func (c *Cluster) Forward(ctx context.Context, method, uri, mediaType, authorization, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+uri, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", mediaType)
	return c.admin.Do(req)
}

// Apply writes an object of one of the API's collections, or replaces it, as its YAML or
// JSON says: server-side apply as the administrator.
func (c *Cluster) Apply(ctx context.Context, path, manifest string) error {
	return c.Do(ctx, http.MethodPatch, path+"?"+url.Values{"fieldManager": {"admin"}, "force": {"true"}}.Encode(),
		"application/apply-patch+yaml", manifest, nil)
}

// Token is one of the service account, good for an hour.
func (c *Cluster) Token(ctx context.Context, namespace, account string) (string, error) {
	var answer struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	err := c.Do(ctx, http.MethodPost, fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", namespace, account),
		"application/json", `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}}`, &answer)
	return answer.Status.Token, err
}
