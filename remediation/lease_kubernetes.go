package remediation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/foreshock/foreshock/internal/kubernetes"
)

// KubernetesLeaseConfig is a Lease object of a Kubernetes cluster. What is acted
// on is claimed with a Lease of its own, which is kept for 31 days.
type KubernetesLeaseConfig struct {
	// Kubeconfig names a kubeconfig file, of which the current context is used. Empty
	// means the service account of the pod that Foreshock runs in.
	Kubeconfig string `yaml:"kubeconfig,omitempty"`

	// Namespace is where the Leases are; give them one of their own. Required.
	Namespace string `yaml:"namespace"`

	// Name is the Lease's, and the beginning of the others'. All replicas have the
	// same, and no others.
	Name string `yaml:"name"`
}

// DefaultKubernetesLeaseConfig is what a lease in Kubernetes starts from.
func DefaultKubernetesLeaseConfig() KubernetesLeaseConfig {
	return KubernetesLeaseConfig{Name: "foreshock"}
}

// UnmarshalYAML decodes over the defaults.
func (c *KubernetesLeaseConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain KubernetesLeaseConfig
	*c = DefaultKubernetesLeaseConfig()
	return unmarshal((*plain)(c))
}

func (c *KubernetesLeaseConfig) setDirectory(dir string) {
	c.Kubeconfig = promconfig.JoinDir(dir, c.Kubeconfig)
}

func (c KubernetesLeaseConfig) validate(path string) error {
	var errs []error
	if !namespaceName.MatchString(c.Namespace) {
		errs = append(errs, fmt.Errorf("%s.namespace: must be the name of a namespace, got %q", path, c.Namespace))
	}
	if !namespaceName.MatchString(c.Name) { // it is a label's value too
		errs = append(errs, fmt.Errorf("%s.name: must be 1 to 63 lower-case letters, digits and dashes, got %q", path, c.Name))
	}
	return errors.Join(errs...)
}

// kubernetesLease is the store.
type kubernetesLease struct {
	client *kubernetes.Client
	config KubernetesLeaseConfig
	now    func() time.Time
}

func (c KubernetesLeaseConfig) open(now func() time.Time) (leaseStore, error) {
	client, err := kubernetes.Load(c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return &kubernetesLease{client, c, now}, nil
}

// leaseObject is coordination.k8s.io/v1, as much of it as there is to a lease.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/
type leaseObject struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Metadata   leaseMetadata `json:"metadata"`
	Spec       leaseSpec     `json:"spec"`
}

type leaseMetadata struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

type leaseSpec struct {
	HolderIdentity       string `json:"holderIdentity"`
	LeaseDurationSeconds int    `json:"leaseDurationSeconds,omitempty"`
	AcquireTime          string `json:"acquireTime,omitempty"`
	RenewTime            string `json:"renewTime,omitempty"`
	LeaseTransitions     int    `json:"leaseTransitions"`
}

// microTime is how Kubernetes writes the times of a lease.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// leaseOrder is the annotation of the lease that holds the last order.
const leaseOrder = "foreshock/order"

// claimOf is the label of a claim; its value is the lease's name.
const claimOf = "foreshock/claim-of"

func (k *kubernetesLease) path(name string) string {
	path := fmt.Sprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", k.config.Namespace)
	if name != "" {
		path += "/" + name
	}
	return path
}

func (k *kubernetesLease) object(name string) leaseObject {
	return leaseObject{
		APIVersion: "coordination.k8s.io/v1", Kind: "Lease",
		Metadata: leaseMetadata{Name: name, Namespace: k.config.Namespace},
	}
}

func (o leaseObject) record() (leaseRecord, error) {
	r := leaseRecord{version: o.Metadata.ResourceVersion, Holder: o.Spec.HolderIdentity, Term: o.Spec.LeaseTransitions}
	if text := o.Metadata.Annotations[leaseOrder]; text != "" {
		if err := json.Unmarshal([]byte(text), &r.Order); err != nil {
			return r, fmt.Errorf("decode annotation %s of lease %s: %w", leaseOrder, o.Metadata.Name, err)
		}
	}
	return r, nil
}

// setRecord has the object say what r does, its times aside.
func (o *leaseObject) setRecord(r leaseRecord) error {
	o.Metadata.ResourceVersion = r.version
	o.Spec.HolderIdentity, o.Spec.LeaseTransitions = r.Holder, r.Term
	if r.Order.Verb == "" {
		return nil
	}
	text, err := json.Marshal(r.Order)
	o.Metadata.Annotations = map[string]string{leaseOrder: string(text)}
	return err
}

func (k *kubernetesLease) read(ctx context.Context) (leaseRecord, error) {
	var o leaseObject
	err := k.client.Do(ctx, kubernetes.Request{Method: http.MethodGet, Path: k.path(k.config.Name)}, &o)
	if kubernetes.Is(err, http.StatusNotFound) {
		return leaseRecord{}, nil
	}
	if err != nil {
		return leaseRecord{}, err
	}
	return o.record()
}

func (k *kubernetesLease) write(ctx context.Context, r leaseRecord) (leaseRecord, error) {
	o := k.object(k.config.Name)
	o.Spec = leaseSpec{LeaseDurationSeconds: int(leaseDuration.Seconds()), RenewTime: k.now().UTC().Format(microTime)}
	if err := o.setRecord(r); err != nil {
		return r, err
	}
	written, err := k.put(ctx, o)
	if err != nil {
		return r, err
	}
	return written.record()
}

// claimName is the name of the Lease that is the claim of that key.
func (k *kubernetesLease) claimName(key string) string { return k.config.Name + "-" + key }

// The annotations of a claim.
const (
	claimRule   = "foreshock/rule"
	claimAction = "foreshock/action"
	claimTarget = "foreshock/target"
	claimUntil  = "foreshock/until"
	claimStarts = "foreshock/starts"
)

func (k *kubernetesLease) claimed(ctx context.Context, key string) (c claim, err error) {
	var o leaseObject
	err = k.client.Do(ctx, kubernetes.Request{Method: http.MethodGet, Path: k.path(k.claimName(key))}, &o)
	if kubernetes.Is(err, http.StatusNotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	return o.claim()
}

// claim reads the object as one.
func (o leaseObject) claim() (c claim, err error) {
	note := o.Metadata.Annotations
	c = claim{
		version: o.Metadata.ResourceVersion, Holder: o.Spec.HolderIdentity, Term: o.Spec.LeaseTransitions,
		Rule: note[claimRule], Action: note[claimAction], Target: note[claimTarget],
	}
	if c.Until, err = time.Parse(time.RFC3339Nano, note[claimUntil]); err != nil {
		return c, fmt.Errorf("decode claim %s: %w", o.Metadata.Name, err)
	}
	for text := range strings.FieldsSeq(note[claimStarts]) {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return c, fmt.Errorf("decode claim %s: %w", o.Metadata.Name, err)
		}
		c.Starts = append(c.Starts, at)
	}
	return c, nil
}

func (k *kubernetesLease) claim(ctx context.Context, key string, c claim) error {
	o := k.object(k.claimName(key))
	o.Metadata.ResourceVersion = c.version
	o.Metadata.Labels = map[string]string{claimOf: k.config.Name}
	o.Metadata.Annotations = map[string]string{
		claimRule: c.Rule, claimAction: c.Action, claimTarget: c.Target,
		claimUntil: c.Until.UTC().Format(time.RFC3339Nano), claimStarts: times(c.Starts),
	}
	o.Spec = leaseSpec{HolderIdentity: c.Holder, AcquireTime: k.now().UTC().Format(microTime), LeaseTransitions: c.Term}
	_, err := k.put(ctx, o)
	return err
}

// times writes them with spaces between.
func times(all []time.Time) string {
	var texts []string
	for _, t := range all {
		texts = append(texts, t.UTC().Format(time.RFC3339Nano))
	}
	return strings.Join(texts, " ")
}

// put creates the object, or replaces the one it has the version of.
func (k *kubernetesLease) put(ctx context.Context, o leaseObject) (written leaseObject, err error) {
	request := kubernetes.Request{Method: http.MethodPut, Path: k.path(o.Metadata.Name), Body: o}
	if o.Metadata.ResourceVersion == "" {
		request.Method, request.Path = http.MethodPost, k.path("")
	}
	err = k.client.Do(ctx, request, &written)
	if kubernetes.Is(err, http.StatusConflict) {
		err = fmt.Errorf("%w: %w", errConflict, err)
	}
	return written, err
}

func (k *kubernetesLease) claims(ctx context.Context) (all []claim, err error) {
	err = k.each(ctx, func(o leaseObject) error {
		c, err := o.claim()
		all = append(all, c)
		return err
	})
	return all, err
}

// forget deletes old claims, and leaves what it cannot read.
func (k *kubernetesLease) forget(ctx context.Context, before time.Time) error {
	return k.each(ctx, func(o leaseObject) error {
		if c, err := o.claim(); err != nil || !c.Until.Before(before) {
			return nil
		}
		err := k.client.Do(ctx, kubernetes.Request{Method: http.MethodDelete, Path: k.path(o.Metadata.Name)}, nil)
		if kubernetes.Is(err, http.StatusNotFound) {
			return nil
		}
		return err
	})
}

// each reads the claims in pages.
func (k *kubernetesLease) each(ctx context.Context, do func(leaseObject) error) error {
	query := url.Values{"labelSelector": {claimOf + "=" + k.config.Name}, "limit": {strconv.Itoa(listLimit)}}
	for {
		var list struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []leaseObject `json:"items"`
		}
		if err := k.client.Do(ctx, kubernetes.Request{Method: http.MethodGet, Path: k.path(""), Query: query}, &list); err != nil {
			return err
		}
		for _, o := range list.Items {
			if err := do(o); err != nil {
				return err
			}
		}
		if list.Metadata.Continue == "" {
			return nil
		}
		query.Set("continue", list.Metadata.Continue)
	}
}

func (*kubernetesLease) close() {}
