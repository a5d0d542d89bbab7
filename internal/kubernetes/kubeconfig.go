package kubernetes

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// kubeconfig is the part of a kubeconfig file that says where and who.
// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
type kubeconfig struct {
	CurrentContext string           `yaml:"current-context"`
	Clusters       []named[cluster] `yaml:"clusters"`
	Users          []named[user]    `yaml:"users"`
	Contexts       []named[scope]   `yaml:"contexts"`
}

// named is an element of one of the file's lists; of its three values one is there.
type named[T any] struct {
	Name    string `yaml:"name"`
	Cluster T      `yaml:"cluster"`
	User    T      `yaml:"user"`
	Context T      `yaml:"context"`
}

type cluster struct {
	Server        string `yaml:"server"`
	TLSServerName string `yaml:"tls-server-name"`
	Insecure      bool   `yaml:"insecure-skip-tls-verify"`
	CAFile        string `yaml:"certificate-authority"`
	CAData        string `yaml:"certificate-authority-data"`
	ProxyURL      string `yaml:"proxy-url"`
}

type user struct {
	CertFile  string    `yaml:"client-certificate"`
	CertData  string    `yaml:"client-certificate-data"`
	KeyFile   string    `yaml:"client-key"`
	KeyData   string    `yaml:"client-key-data"`
	Token     string    `yaml:"token"`
	TokenFile string    `yaml:"tokenFile"`
	Username  string    `yaml:"username"`
	Exec      yaml.Node `yaml:"exec"`
	Provider  yaml.Node `yaml:"auth-provider"`
	As        string    `yaml:"as"`
}

type scope struct {
	Cluster string `yaml:"cluster"`
	User    string `yaml:"user"`
}

// Load makes a client of the kubeconfig file's current context. Where file is "" it is
// the service account of the pod we run in; outside a cluster every request of that
// client fails, so that a configuration can be checked anywhere.
func Load(file string) (*Client, error) {
	if file == "" {
		return inCluster(serviceAccount, os.Getenv)
	}
	b, err := yamlstrict.Read(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var k kubeconfig
	if err := yaml.Unmarshal(b, &k); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	c, err := k.client(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return c, nil
}

func (k kubeconfig) client(dir string) (*Client, error) {
	var ctx scope
	if n := find(k.Contexts, k.CurrentContext); n != nil {
		ctx = n.Context
	} else {
		return nil, fmt.Errorf("current-context: no context %q", k.CurrentContext)
	}
	at := find(k.Clusters, ctx.Cluster)
	if at == nil {
		return nil, fmt.Errorf("contexts: no cluster %q", ctx.Cluster)
	}
	hc := promconfig.DefaultHTTPClientConfig
	if err := at.Cluster.apply(&hc, dir); err != nil {
		return nil, fmt.Errorf("cluster %q: %w", ctx.Cluster, err)
	}
	who := find(k.Users, ctx.User)
	if who == nil {
		return nil, fmt.Errorf("contexts: no user %q", ctx.User)
	}
	if err := who.User.apply(&hc, dir); err != nil {
		return nil, fmt.Errorf("user %q: %w", ctx.User, err)
	}
	return newClient(strings.TrimSuffix(at.Cluster.Server, "/"), hc)
}

func find[T any](list []named[T], name string) *named[T] {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func (c cluster) apply(hc *promconfig.HTTPClientConfig, dir string) (err error) {
	hc.TLSConfig.ServerName, hc.TLSConfig.InsecureSkipVerify = c.TLSServerName, c.Insecure
	if hc.TLSConfig.CA, err = material(dir, "certificate-authority", c.CAFile, c.CAData); err != nil {
		return err
	}
	if c.ProxyURL != "" {
		u, err := url.Parse(c.ProxyURL)
		if err != nil {
			return errors.New("proxy-url: is no URL") // it may hold a password
		}
		hc.ProxyURL = promconfig.URL{URL: u}
	}
	return nil
}

func (u user) apply(hc *promconfig.HTTPClientConfig, dir string) error {
	switch {
	case !u.Exec.IsZero():
		return errors.New("exec: no program is run for credentials: use a token file or a certificate")
	case !u.Provider.IsZero():
		return errors.New("auth-provider: not supported: use a token file or a certificate")
	case u.Username != "":
		return errors.New("username: API servers take no passwords: use a token file or a certificate")
	case u.As != "":
		return errors.New("as: not supported: use the credentials of whoever shall act")
	case u.Token != "" && u.TokenFile == "":
		hc.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: promconfig.Secret(u.Token)}
	case u.TokenFile != "":
		file := promconfig.JoinDir(dir, u.TokenFile)
		if _, err := yamlstrict.Read(file); err != nil { // it is read again for every request
			return fmt.Errorf("tokenFile: %w", err)
		}
		hc.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: file}
	}
	var err error
	if hc.TLSConfig.Cert, err = material(dir, "client-certificate", u.CertFile, u.CertData); err != nil {
		return err
	}
	key, err := material(dir, "client-key", u.KeyFile, u.KeyData)
	hc.TLSConfig.Key = promconfig.Secret(key)
	return err
}

// material is PEM from a file or, as it stands first, from base64 in the kubeconfig.
func material(dir, field, file, data string) (string, error) {
	switch {
	case data != "":
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return "", fmt.Errorf("%s-data: is not base64", field)
		}
		return string(b), nil
	case file != "":
		b, err := yamlstrict.Read(promconfig.JoinDir(dir, file))
		if err != nil {
			return "", fmt.Errorf("%s: %w", field, err)
		}
		return string(b), nil
	}
	return "", nil
}

// serviceAccount is where the kubelet puts a pod's credentials.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// inCluster is the API server that a pod's environment names, with the credentials in
// dir. The token there changes every hour and is read for every request.
func inCluster(dir string, getenv func(string) string) (*Client, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return &Client{broken: errors.New("not in a Kubernetes cluster, and no kubeconfig is set")}, nil
	}
	ca, err := yamlstrict.Read(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the service account: %w", err)
	}
	namespace, err := yamlstrict.Read(filepath.Join(dir, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("read the service account: %w", err)
	}
	hc := promconfig.DefaultHTTPClientConfig
	hc.TLSConfig.CA = string(ca)
	hc.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: filepath.Join(dir, "token")}
	c, err := newClient("https://"+net.JoinHostPort(host, port), hc)
	if err != nil {
		return nil, err
	}
	c.self = Self{Namespace: strings.TrimSpace(string(namespace)), Pod: getenv("HOSTNAME")}
	return c, nil
}
