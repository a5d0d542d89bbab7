package remediation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock/internal/kubernetes"
)

// touch is one action on one object. What check saw is what do acts on: the API server
// refuses it if the object has changed since.
type touch struct {
	*kubernetesAction
	object object
	id     string // of the plan
	to     int    // replicas, where the plan says how many

	seen     *sight // by the last check
	was, now int    // replicas, once do has scaled
}

// sight is the part of an object that says whose it is and how it stands.
type sight struct {
	Metadata struct {
		UID               string            `json:"uid"`
		ResourceVersion   string            `json:"resourceVersion"`
		Generation        int64             `json:"generation"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		OwnerReferences   []struct {
			Kind       string `json:"kind"`
			Name       string `json:"name"`
			Controller bool   `json:"controller"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int `json:"replicas"`
		Paused   bool `json:"paused"`
	} `json:"spec"`
}

// check looks who owns the object. Whether there is room to act is for do to say: what did
// act may leave none, and can be taken back all the same.
func (t *touch) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	s, err := t.look(ctx)
	if err == nil {
		err = t.admit(s)
	}
	if err == nil && t.verb == "scale" {
		err = t.autoscaled(ctx)
	}
	if refused := (*refusal)(nil); err != nil && !errors.As(err, &refused) {
		return &refusal{refusedOwner, fmt.Sprintf("whether %s may be touched cannot be told: %v", t.object, err)}
	}
	if err == nil {
		t.seen = s
	}
	return err
}

// look reads the object.
func (t *touch) look(ctx context.Context) (*sight, error) {
	var s sight
	err := t.client.Do(ctx, kubernetes.Request{Method: http.MethodGet, Path: t.object.path()}, &s)
	if kubernetes.Is(err, http.StatusNotFound) {
		return nil, &refusal{refusedTarget, fmt.Sprintf("there is no %s", t.object)}
	}
	if err == nil && (s.Metadata.UID == "" || s.Metadata.ResourceVersion == "") {
		err = errors.New("the answer is no object")
	}
	return &s, err
}

// admit refuses what the object itself says is not ours to touch.
func (t *touch) admit(s *sight) error {
	self := t.client.Self()
	switch {
	case self.Namespace == t.object.namespace && (self.Pod == t.object.name || strings.HasPrefix(self.Pod, t.object.name+"-")):
		return &refusal{refusedTarget, fmt.Sprintf("%s is what Foreshock runs in", t.object)}
	case s.Metadata.DeletionTimestamp != "":
		return &refusal{refusedTarget, fmt.Sprintf("%s is being deleted", t.object)}
	case s.Spec.Paused && t.verb == "restart":
		return &refusal{refusedOwner, fmt.Sprintf("somebody has paused the rollout of %s", t.object)}
	}
	if err := t.owned(s); err != nil {
		return err
	}
	if t.verb == "scale" {
		_, err := t.replicas(s)
		return err
	}
	return nil
}

// gitOps are the prefixes of labels and annotations by which GitOps controllers know
// their own, which they put back as it was. Argo CD's tracking label or annotation, Flux's
// two controllers, Fleet, Config Sync and kapp.
var gitOps = []string{
	"argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/",
	"objectset.rio.cattle.io/", "configsync.gke.io/", "kapp.k14s.io/",
}

// recreators are the controllers that make an evicted pod anew.
var recreators = []string{"ReplicaSet", "StatefulSet", "DaemonSet"}

// owned refuses what somebody else decides about. An evicted pod comes back as its owner
// has it, so what owns the owner does not matter there.
func (t *touch) owned(s *sight) error {
	pod := t.verb == "delete_pod"
	controlled := false
	for _, o := range s.Metadata.OwnerReferences {
		if !o.Controller {
			continue
		}
		controlled = true
		if !pod || !slices.Contains(recreators, o.Kind) {
			return &refusal{refusedOwner, fmt.Sprintf("%s belongs to %.50s %.100s", t.object, o.Kind, o.Name)}
		}
	}
	if pod && !controlled {
		return &refusal{refusedOwner, fmt.Sprintf("%s belongs to nothing that would make it anew", t.object)}
	}
	for _, names := range []map[string]string{s.Metadata.Labels, s.Metadata.Annotations} {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			marked := !pod && slices.ContainsFunc(gitOps, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
			if marked || slices.Contains(t.owners, name) {
				return &refusal{refusedOwner, fmt.Sprintf("%s is managed by whoever set %.100s: %.100q", t.object, name, names[name])}
			}
		}
	}
	return nil
}

// replicas is how many there are, if nobody else has scaled.
func (t *touch) replicas(s *sight) (int, error) {
	if s.Spec.Replicas == nil {
		return 0, fmt.Errorf("%s says no number of replicas", t.object)
	}
	is := *s.Spec.Replicas
	if is < t.scale.Min || is > t.scale.Max {
		return 0, &refusal{refusedOwner, fmt.Sprintf("%s has %d replicas, outside %d to %d: somebody else has scaled it", t.object, is, t.scale.Min, t.scale.Max)}
	}
	return is, nil
}

// room is how many replicas there would be.
func (t *touch) room(is int) (int, error) {
	to := t.to
	if t.scale.By != 0 {
		to = min(max(is+t.scale.By, t.scale.Min), t.scale.Max)
	}
	switch {
	case to != is:
		return to, nil
	case t.scale.By == 0:
		return 0, &refusal{refusedBounds, fmt.Sprintf("%s has the %d replicas already that are foreseen", t.object, is)}
	}
	return 0, &refusal{refusedBounds, fmt.Sprintf("%s has %d replicas, and the bounds are %d to %d", t.object, is, t.scale.Min, t.scale.Max)}
}

// autoscalers are what decides about replicas, where it is installed.
var autoscalers = []struct{ kind, path string }{
	{"HorizontalPodAutoscaler", "/apis/autoscaling/v2/namespaces/%s/horizontalpodautoscalers"},
	{"ScaledObject", "/apis/keda.sh/v1alpha1/namespaces/%s/scaledobjects"},
}

// autoscaled refuses an object whose replicas an autoscaler decides about.
func (t *touch) autoscaled(ctx context.Context) error {
	for _, a := range autoscalers {
		name, err := t.scaler(ctx, fmt.Sprintf(a.path, t.object.namespace))
		if err != nil {
			return fmt.Errorf("list each %s: %w", a.kind, err)
		}
		if name != "" {
			return &refusal{refusedOwner, fmt.Sprintf("%s is scaled by %s %.100s", t.object, a.kind, name)}
		}
	}
	return nil
}

// A list of autoscalers is read in pages. A namespace with more than 50 × 500 is none
// that we can tell about.
const (
	listLimit = 500
	listPages = 50
)

// scaler returns the name of an autoscaler in the list that names the object.
func (t *touch) scaler(ctx context.Context, path string) (string, error) {
	query := url.Values{"limit": {strconv.Itoa(listLimit)}}
	for range listPages {
		var list struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []struct {
				Metadata struct {
					Name string `json:"name"`
				} `json:"metadata"`
				Spec struct {
					ScaleTargetRef struct {
						Kind string `json:"kind"`
						Name string `json:"name"`
					} `json:"scaleTargetRef"`
				} `json:"spec"`
			} `json:"items"`
		}
		err := t.client.Do(ctx, kubernetes.Request{Method: http.MethodGet, Path: path, Query: query}, &list)
		if kubernetes.Is(err, http.StatusNotFound) {
			return "", nil // nobody installed it
		}
		if err != nil {
			return "", err
		}
		for _, item := range list.Items {
			ref := item.Spec.ScaleTargetRef
			if ref.Kind == "" {
				ref.Kind = "Deployment" // KEDA's default
			}
			if ref.Kind == t.object.kind && ref.Name == t.object.name {
				return item.Metadata.Name, nil
			}
		}
		if list.Metadata.Continue == "" {
			return "", nil
		}
		query.Set("continue", list.Metadata.Continue)
	}
	return "", errors.New("too many")
}

// rehearse has the API server go through all of it and keep nothing.
func (t *touch) rehearse(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if err := t.ensureSeen(ctx); err != nil {
		return "", err
	}
	return t.send(ctx, true)
}

func (t *touch) ensureSeen(ctx context.Context) error {
	if t.seen != nil {
		return nil
	}
	return t.check(ctx)
}

// tries is how often an object's status may change under our hands. Every change makes
// a new resourceVersion, and a Deployment in trouble changes all the time.
const tries = 5

// do acts. The API server answers 409, and has done nothing, if the object is not what
// check saw. If no more than its status has changed since, it is tried again.
func (t *touch) do(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if err := t.ensureSeen(ctx); err != nil {
		return "", err
	}
	for range tries {
		said, err := t.send(ctx, false)
		if !kubernetes.Is(err, http.StatusConflict) {
			return said, err
		}
		saw := t.seen
		if err := t.check(ctx); err != nil {
			return "", err
		}
		if t.seen.Metadata.UID != saw.Metadata.UID || t.seen.Metadata.Generation != saw.Metadata.Generation {
			return "", fmt.Errorf("%s was changed by somebody else meanwhile", t.object)
		}
	}
	return "", fmt.Errorf("%s changed %d times while it was to be touched", t.object, tries)
}

// undo scales back, unless somebody has scaled since.
func (t *touch) undo(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if t.now == 0 {
		return "", errors.New("nothing was scaled")
	}
	for range tries {
		s, err := t.look(ctx)
		if err == nil {
			err = t.owned(s)
		}
		if err == nil {
			err = t.autoscaled(ctx)
		}
		if err != nil {
			return "", err
		}
		if s.Metadata.UID != t.seen.Metadata.UID || s.Spec.Replicas == nil || *s.Spec.Replicas != t.now {
			return "", fmt.Errorf("%s was scaled by somebody else meanwhile", t.object)
		}
		err = t.put(ctx, s, t.was, false)
		if !kubernetes.Is(err, http.StatusConflict) {
			return t.told(err, "scaled %s back from %d to %d", t.object, t.now, t.was)
		}
	}
	return "", fmt.Errorf("%s changed %d times while it was to be scaled back", t.object, tries)
}

// send asks for the action, or with dry for its dry run, and says what was done.
func (t *touch) send(ctx context.Context, dry bool) (string, error) {
	would := ""
	if dry {
		would = "would have "
	}
	switch t.verb {
	case "scale":
		is, err := t.replicas(t.seen)
		if err != nil {
			return "", err
		}
		to, err := t.room(is)
		if err != nil {
			return "", err
		}
		if err = t.put(ctx, t.seen, to, dry); err == nil && !dry {
			t.was, t.now = is, to
		}
		return t.told(err, "%sscaled %s from %d to %d", would, t.object, is, to)
	case "restart":
		err := t.ask(ctx, http.MethodPatch, "", kubernetes.MergePatch, map[string]any{
			"metadata": t.precondition(t.seen),
			"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
				"annotations": map[string]string{restartedFor: t.id},
			}}},
		}, dry, nil)
		return t.told(err, "%srestarted %s", would, t.object)
	default:
		err := t.ask(ctx, http.MethodPost, "/eviction", "", map[string]any{
			"apiVersion": "policy/v1", "kind": "Eviction",
			"metadata":      map[string]string{"namespace": t.object.namespace, "name": t.object.name},
			"deleteOptions": map[string]any{"preconditions": t.precondition(t.seen)},
		}, dry, nil)
		return t.told(err, "%sevicted %s", would, t.object)
	}
}

// told says what was done, unless it was not.
func (t *touch) told(err error, format string, args ...any) (string, error) {
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(format, args...), nil
}

// restartedFor is the annotation of a pod template that makes it a new one. Its value is
// the plan's, not the time's: asking for the same restart twice restarts once.
const restartedFor = "foreshock/restarted-for"

// precondition has the API server refuse anything but the object as it was seen.
func (t *touch) precondition(s *sight) map[string]string {
	return map[string]string{"uid": s.Metadata.UID, "resourceVersion": s.Metadata.ResourceVersion}
}

// put sets the replicas and holds the API server to it.
func (t *touch) put(ctx context.Context, s *sight, replicas int, dry bool) error {
	type scaleSpec struct {
		Replicas int `json:"replicas"`
	}
	metadata := t.precondition(s)
	metadata["namespace"], metadata["name"] = t.object.namespace, t.object.name
	var answer struct {
		Spec scaleSpec `json:"spec"`
	}
	err := t.ask(ctx, http.MethodPut, "/scale", "", map[string]any{
		"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": scaleSpec{replicas},
	}, dry, &answer)
	if err == nil && answer.Spec.Replicas != replicas {
		err = fmt.Errorf("asked for %d replicas and was given %d", replicas, answer.Spec.Replicas)
	}
	return err
}

func (t *touch) ask(ctx context.Context, method, subresource, mediaType string, body any, dry bool, answer any) error {
	query := url.Values{"fieldManager": {"foreshock"}}
	if dry {
		query.Set("dryRun", "All")
	}
	return t.explain(t.client.Do(ctx, kubernetes.Request{
		Method: method, Path: t.object.path() + subresource, Query: query, Type: mediaType, Body: body,
	}, answer))
}

// explain says of an error whether it may have acted.
func (t *touch) explain(err error) error {
	answered := (*kubernetes.StatusError)(nil)
	switch {
	case err == nil || errors.As(err, &answered):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s, and it may have acted", t.timeout)
	}
	return fmt.Errorf("no answer, and it may have acted: %w", err)
}
