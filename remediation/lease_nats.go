package remediation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	promconfig "github.com/prometheus/common/config"
)

// NATSLeaseConfig is a key-value bucket of NATS JetStream. What is acted on is claimed with
// a key of its own, which the bucket keeps for 31 days.
type NATSLeaseConfig struct {
	// URL is nats:// or tls:// and a server, or several with commas between them.
	// Required.
	URL string `yaml:"url"`

	// Bucket is the bucket's name. All replicas have the same, and no others. It is
	// made if it is not there; one that is must keep its keys for 31 days or for ever.
	Bucket string `yaml:"bucket"`

	// Replicas is how many servers keep a bucket that is made. From 1 to 5.
	Replicas int `yaml:"replicas"`

	// CredentialsFile names a .creds file with the user's JWT and key.
	CredentialsFile string `yaml:"credentials_file,omitempty"`

	// TLSConfig has the server's CA and our certificate, as in Prometheus.
	TLSConfig promconfig.TLSConfig `yaml:"tls_config,omitempty"`
}

// DefaultNATSLeaseConfig is what a lease in NATS starts from.
func DefaultNATSLeaseConfig() NATSLeaseConfig {
	return NATSLeaseConfig{Bucket: "foreshock", Replicas: 1}
}

// UnmarshalYAML decodes over the defaults.
func (c *NATSLeaseConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain NATSLeaseConfig
	*c = DefaultNATSLeaseConfig()
	return unmarshal((*plain)(c))
}

func (c *NATSLeaseConfig) setDirectory(dir string) {
	c.CredentialsFile = promconfig.JoinDir(dir, c.CredentialsFile)
	c.TLSConfig.SetDirectory(dir)
}

var bucketName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (c NATSLeaseConfig) validate(path string) error {
	var errs []error
	for server := range strings.SplitSeq(c.URL, ",") {
		u, err := url.Parse(server)
		switch {
		case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "":
			errs = append(errs, fmt.Errorf("%s.url: must be nats:// or tls:// and a host", path)) // it may hold a secret
		case u.User != nil:
			errs = append(errs, fmt.Errorf("%s.url: must not hold a user: use credentials_file", path))
		}
	}
	if !bucketName.MatchString(c.Bucket) {
		errs = append(errs, fmt.Errorf("%s.bucket: must be 1 to 64 letters, digits, dashes or underscores, got %q", path, c.Bucket))
	}
	if c.Replicas < 1 || c.Replicas > 5 {
		errs = append(errs, fmt.Errorf("%s.replicas: must be from 1 to 5, got %d", path, c.Replicas))
	}
	if err := c.TLSConfig.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("%s.tls_config: %w", path, err))
	}
	return errors.Join(errs...)
}

// natsLease is the store.
type natsLease struct {
	config  NATSLeaseConfig
	options []nats.Option

	mu   sync.Mutex
	conn *nats.Conn
	kv   jetstream.KeyValue
}

func (c NATSLeaseConfig) open() (leaseStore, error) {
	n := &natsLease{config: c, options: []nats.Option{
		nats.Name("foreshock"), nats.Timeout(leaseTimeout), nats.MaxReconnects(-1),
		nats.ReconnectWait(time.Second), nats.ReconnectBufSize(-1), // what cannot be sent now is not sent later
	}}
	if c.CredentialsFile != "" {
		if _, err := readSecret(c.CredentialsFile); err != nil {
			return nil, fmt.Errorf("credentials_file: %w", err)
		}
		n.options = append(n.options, nats.UserCredentials(c.CredentialsFile))
	}
	if c.TLSConfig != (promconfig.TLSConfig{}) {
		tls, err := promconfig.NewTLSConfig(&c.TLSConfig)
		if err != nil {
			return nil, fmt.Errorf("tls_config: %w", err)
		}
		n.options = append(n.options, nats.Secure(tls))
	}
	return n, nil
}

// bucket connects on its first success, and makes the bucket if there is none.
func (n *natsLease) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kv != nil {
		return n.kv, nil
	}
	if n.conn == nil {
		conn, err := nats.Connect(n.config.URL, n.options...)
		if err != nil {
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
		n.conn = conn
	}
	js, err := jetstream.New(n.conn)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, n.config.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: n.config.Bucket, Description: "which replica of Foreshock acts, and on what it has acted",
			History: 1, TTL: claimMemory, Storage: jetstream.FileStorage, Replicas: n.config.Replicas,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", n.config.Bucket, err)
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", n.config.Bucket, err)
	}
	if ttl := status.TTL(); ttl != 0 && ttl < claimMemory {
		return nil, fmt.Errorf("bucket %s forgets after %s: it must keep keys for %s or for ever", n.config.Bucket, ttl, claimMemory)
	}
	n.kv = kv
	return kv, nil
}

// The keys: one for the lease, and one for every claim.
const (
	leaseKey    = "lease"
	claimPrefix = "claim."
)

func (n *natsLease) read(ctx context.Context) (r leaseRecord, err error) {
	r.version, err = n.get(ctx, leaseKey, &r)
	return r, err
}

func (n *natsLease) write(ctx context.Context, r leaseRecord) (leaseRecord, error) {
	var err error
	r.version, err = n.put(ctx, leaseKey, r.version, r)
	return r, err
}

func (n *natsLease) claimed(ctx context.Context, key string) (c claim, err error) {
	c.version, err = n.get(ctx, claimPrefix+key, &c)
	return c, err
}

func (n *natsLease) claim(ctx context.Context, key string, c claim) error {
	_, err := n.put(ctx, claimPrefix+key, c.version, c)
	return err
}

func (n *natsLease) claims(ctx context.Context) (all []claim, err error) {
	kv, err := n.bucket(ctx)
	if err != nil {
		return nil, err
	}
	w, err := kv.Watch(ctx, claimPrefix+"*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("the list of claims broke off")
			}
			if e == nil { // those are all there are
				return all, nil
			}
			c := claim{version: strconv.FormatUint(e.Revision(), 10)}
			if err := json.Unmarshal(e.Value(), &c); err != nil {
				return nil, fmt.Errorf("decode %s: %w", e.Key(), err)
			}
			all = append(all, c)
		}
	}
}

// get reads a key and returns its revision, "" where there is none.
func (n *natsLease) get(ctx context.Context, key string, value any) (revision string, err error) {
	kv, err := n.bucket(ctx)
	if err != nil {
		return "", err
	}
	e, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(e.Value(), value); err != nil {
		return "", fmt.Errorf("decode %s: %w", key, err)
	}
	return strconv.FormatUint(e.Revision(), 10), nil
}

// put creates a key, or writes over that revision of it. The server sees to it that a
// revision is written over once; what get read from a server that lags behind is none to
// write over any more.
func (n *natsLease) put(ctx context.Context, key, revision string, value any) (string, error) {
	kv, err := n.bucket(ctx)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var next uint64
	if revision == "" {
		next, err = kv.Create(ctx, key, b)
	} else {
		last, parseErr := strconv.ParseUint(revision, 10, 64)
		if parseErr != nil {
			return "", parseErr
		}
		next, err = kv.Update(ctx, key, b, last)
	}
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return "", fmt.Errorf("%w: %w", errConflict, err)
	}
	return strconv.FormatUint(next, 10), err
}

// forget has nothing to do: the bucket forgets by itself.
func (*natsLease) forget(context.Context, time.Time) error { return nil }

func (n *natsLease) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil {
		n.conn.Close()
	}
}
