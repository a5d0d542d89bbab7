package remediation

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/internal/kubernetes"
)

// KubernetesConfig is an action on one object of a Kubernetes cluster: scale, restart
// or delete_pod. Its targets are written namespace/Kind/name, where the name may hold
// "*" for any characters. What an autoscaler, a GitOps controller or another object
// owns is left alone.
type KubernetesConfig struct {
	// Kubeconfig names a kubeconfig file, of which the current context is used; it is
	// read at start and at every reload. Empty means the service account of the pod
	// that Foreshock runs in.
	Kubeconfig string `yaml:"kubeconfig,omitempty"`

	// Scale changes how many replicas a Deployment, StatefulSet or ReplicaSet has.
	Scale *KubernetesScaleConfig `yaml:"scale,omitempty"`

	// Restart replaces the pods of a Deployment, StatefulSet or DaemonSet one after
	// the other, as kubectl rollout restart does.
	Restart bool `yaml:"restart,omitempty"`

	// DeletePod evicts a Pod that its ReplicaSet, StatefulSet or DaemonSet will make
	// anew, as far as pod disruption budgets allow it.
	DeletePod bool `yaml:"delete_pod,omitempty"`

	// Owners are labels and annotations, beside those of Argo CD, Flux, Fleet, Config
	// Sync and kapp, that mean somebody else decides about the object. Where Argo CD
	// marks what it owns with app.kubernetes.io/instance, name that here.
	Owners []string `yaml:"owners,omitempty"`

	// Timeout is how long all requests of one action may take. From 1ms to 10m.
	Timeout model.Duration `yaml:"timeout"`
}

// KubernetesScaleConfig says how far an action may scale.
type KubernetesScaleConfig struct {
	// By is how many replicas are added, or taken away where it is negative. From
	// -100 to 100, and not 0. Required, except where the action has a scale of its own:
	// then there will be as many as that foresees, and by must not be set.
	By int `yaml:"by,omitempty"`

	// Min is the fewest replicas there may be. What has fewer already, somebody else
	// has scaled down, and is left alone. From 1 to 1000.
	Min int `yaml:"min"`

	// Max is the most replicas there may be. What has more already is left alone too.
	// From min to 1000. Required.
	Max int `yaml:"max"`
}

const (
	widestScale  = 100
	mostReplicas = 1000
)

// DefaultKubernetesConfig is what a kubernetes action starts from.
func DefaultKubernetesConfig() KubernetesConfig {
	return KubernetesConfig{Timeout: model.Duration(20 * time.Second)}
}

// UnmarshalYAML decodes over the defaults.
func (c *KubernetesConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain KubernetesConfig
	*c = DefaultKubernetesConfig()
	return unmarshal((*plain)(c))
}

// DefaultKubernetesScaleConfig is what scale starts from.
func DefaultKubernetesScaleConfig() KubernetesScaleConfig { return KubernetesScaleConfig{Min: 1} }

// UnmarshalYAML decodes over the defaults.
func (c *KubernetesScaleConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain KubernetesScaleConfig
	*c = DefaultKubernetesScaleConfig()
	return unmarshal((*plain)(c))
}

// SetDirectory makes a relative file name relative to dir.
func (c *KubernetesConfig) SetDirectory(dir string) {
	c.Kubeconfig = promconfig.JoinDir(dir, c.Kubeconfig)
}

// The kinds of object that an action of each sort may be pointed at.
var (
	scalable    = []string{"Deployment", "StatefulSet", "ReplicaSet"}
	restartable = []string{"Deployment", "StatefulSet", "DaemonSet"}
	deletable   = []string{"Pod"}
)

// verbs are what is to be done, each with the kinds it can be done to.
func (c KubernetesConfig) verbs() (verbs []string, kinds []string) {
	if c.Scale != nil {
		verbs, kinds = append(verbs, "scale"), scalable
	}
	if c.Restart {
		verbs, kinds = append(verbs, "restart"), restartable
	}
	if c.DeletePod {
		verbs, kinds = append(verbs, "delete_pod"), deletable
	}
	return verbs, kinds
}

func (c KubernetesConfig) validate(path string, targets []string) error {
	var errs []error
	verbs, kinds := c.verbs()
	if len(verbs) != 1 {
		got := "none"
		if len(verbs) > 1 {
			got = strings.Join(verbs, " and ")
		}
		errs = append(errs, fmt.Errorf("%s: must have one of scale, restart and delete_pod, got %s", path, got))
	}
	if c.Scale != nil {
		errs = append(errs, c.Scale.validate(path+".scale"))
	}
	if len(targets) == 0 {
		errs = append(errs, fmt.Errorf("%s: must not be without targets: write namespace/Kind/name", path))
	}
	for _, target := range targets {
		if o, err := parseObject(target, objectPattern); err != nil {
			errs = append(errs, fmt.Errorf("%s: targets: %w", path, err))
		} else if len(verbs) == 1 && !slices.Contains(kinds, o.kind) {
			errs = append(errs, fmt.Errorf("%s: targets: %s is for %s, got %q", path, verbs[0], strings.Join(kinds, ", "), target))
		}
	}
	for i, owner := range c.Owners {
		if !ownerName.MatchString(owner) {
			errs = append(errs, fmt.Errorf("%s.owners[%d]: must be the name of a label or annotation, got %q", path, i, owner))
		}
	}
	return errors.Join(append(errs, checkTimeout(path, c.Timeout))...)
}

func (c KubernetesScaleConfig) validate(path string) error {
	var errs []error
	if c.By < -widestScale || c.By > widestScale {
		errs = append(errs, fmt.Errorf("%s.by: must be from -%d to %d, got %d", path, widestScale, widestScale, c.By))
	}
	if c.Min < 1 || c.Min > mostReplicas {
		errs = append(errs, fmt.Errorf("%s.min: must be from 1 to %d, got %d", path, mostReplicas, c.Min))
	}
	if c.Max < c.Min || c.Max > mostReplicas {
		errs = append(errs, fmt.Errorf("%s.max: must be from min to %d, got %d", path, mostReplicas, c.Max))
	}
	return errors.Join(errs...)
}

// validateAhead holds what the action does against its own scale, which says how many there
// will be: nothing else may say so too, and no more may come than scale allows.
func (c KubernetesConfig) validateAhead(path string, ahead *ScaleConfig) error {
	switch s := c.Scale; {
	case s == nil && ahead != nil:
		return fmt.Errorf("%s.scale: must be set beside the action's own scale", path)
	case s == nil:
		return nil
	case ahead == nil && s.By == 0:
		return fmt.Errorf("%s.scale.by: must not be 0, unless the action has a scale of its own", path)
	case ahead != nil && s.By != 0:
		return fmt.Errorf("%s.scale.by: must not be set beside the action's own scale, got %d", path, s.By)
	case ahead != nil && (ahead.Min < s.Min || ahead.Max > s.Max):
		return fmt.Errorf("%s.scale: must let the action's own scale reach from %d to %d, got %d to %d", path, ahead.Min, ahead.Max, s.Min, s.Max)
	}
	return nil
}

// object names one object, or as a configured target some.
type object struct{ namespace, kind, name string }

func (o object) String() string { return o.namespace + "/" + o.kind + "/" + o.name }

// The names that Kubernetes allows: RFC 1123 labels for namespaces, subdomains for the
// rest. Nothing in them can end a path's element.
var (
	namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	objectPattern = regexp.MustCompile(`^[a-z0-9*]([-a-z0-9.*]{0,251}[a-z0-9*])?$`)
	ownerName     = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9._/]{0,315}[A-Za-z0-9])?$`)
)

// resources are the paths of the kinds, with the namespace to fill in.
var resources = map[string]string{
	"Deployment":  "/apis/apps/v1/namespaces/%s/deployments",
	"StatefulSet": "/apis/apps/v1/namespaces/%s/statefulsets",
	"ReplicaSet":  "/apis/apps/v1/namespaces/%s/replicasets",
	"DaemonSet":   "/apis/apps/v1/namespaces/%s/daemonsets",
	"Pod":         "/api/v1/namespaces/%s/pods",
}

// parseObject reads namespace/Kind/name, whose name must match.
func parseObject(text string, name *regexp.Regexp) (object, error) {
	part := strings.Split(text, "/")
	if len(part) != 3 {
		return object{}, fmt.Errorf("must be namespace/Kind/name, got %.100q", text)
	}
	o := object{part[0], part[1], part[2]}
	switch {
	case !namespaceName.MatchString(o.namespace):
		return object{}, fmt.Errorf("must begin with the name of a namespace, got %.100q", text)
	case resources[o.kind] == "":
		return object{}, fmt.Errorf("must be of a kind Deployment, StatefulSet, ReplicaSet, DaemonSet or Pod, got %.100q", text)
	case !name.MatchString(o.name):
		return object{}, fmt.Errorf("must end in the name of an object, got %.100q", text)
	}
	return o, nil
}

// path is where the API server has the object.
func (o object) path() string { return fmt.Sprintf(resources[o.kind], o.namespace) + "/" + o.name }

// matches reports whether the configured target stands for what an alert names.
func (k *kubernetesAction) matches(configured, target string) bool {
	if _, err := parseObject(target, objectName); err != nil {
		return false
	}
	ok, err := path.Match(configured, target) // no "*" matches a slash
	return ok && err == nil
}

// kubernetesAction is the action made ready.
type kubernetesAction struct {
	client  *kubernetes.Client
	verb    string
	scale   KubernetesScaleConfig
	owners  []string
	timeout time.Duration
}

func (c KubernetesConfig) build() (action, error) {
	client, err := kubernetes.Load(c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	verbs, _ := c.verbs()
	k := &kubernetesAction{client: client, verb: verbs[0], owners: c.Owners, timeout: time.Duration(c.Timeout)}
	if c.Scale != nil {
		k.scale = *c.Scale
	}
	return k, nil
}

func (k *kubernetesAction) prepare(p plan) (deed, error) {
	o, err := parseObject(p.Target, objectName)
	if err != nil {
		return deed{}, err
	}
	t := &touch{kubernetesAction: k, object: o, id: p.id()}
	rendered := fmt.Sprintf("%s %+d in %d..%d", k.verb, k.scale.By, k.scale.Min, k.scale.Max)
	if k.verb == "scale" && k.scale.By == 0 {
		if t.to, err = k.scale.foreseen(p.Value); err != nil {
			return deed{}, err
		}
		rendered += " to " + p.Value
	}
	d := deed{
		digest:   digest("kubernetes", k.client.Server(), rendered, o.String()),
		check:    t.check,
		rehearse: t.rehearse,
		do:       t.do,
	}
	switch k.verb {
	case "restart":
		d.idempotent = true // the second patch says what the first did
	case "scale":
		d.undo = t.undo
	}
	return d, nil
}

// foreseen is how many replicas the plan's value asks for.
func (c KubernetesScaleConfig) foreseen(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < c.Min || n > c.Max {
		return 0, fmt.Errorf("the plan's value %.20q is not within %d to %d replicas", value, c.Min, c.Max)
	}
	return n, nil
}
