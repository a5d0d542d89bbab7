package remediation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// onKubernetes makes the deed of an action on one target, for a plan of that value.
func onKubernetes(t *testing.T, kubeconfig, config, target, value string) deed {
	t.Helper()
	var c KubernetesConfig
	if err := yaml.Unmarshal([]byte(config), &c); err != nil {
		t.Fatal(err)
	}
	c.Kubeconfig = kubeconfig
	c.Timeout = model.Duration(longestAction) // a busy machine is no reason to fail
	if err := c.validate("kubernetes", []string{target}); err != nil {
		t.Fatal(err)
	}
	a, err := c.build()
	if err != nil {
		t.Fatal(err)
	}
	p := examplePlan
	p.Target, p.Value = target, value
	d, err := a.prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// perform does one step of a deed and returns what it said: its output, or its error, or
// the class of its refusal and its reason.
func perform(t *testing.T, d deed, step string) string {
	t.Helper()
	said, err := "ok", error(nil)
	switch step {
	case "check":
		err = d.check(t.Context())
	case "rehearse":
		said, err = d.rehearse(t.Context())
	case "do":
		said, err = d.do(t.Context())
	case "undo":
		said, err = d.undo(t.Context())
	default:
		t.Fatalf("no step %s", step)
	}
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return refused.class + ": " + refused.text
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return said
}

const deployments = "/apis/apps/v1/namespaces/shop/deployments/"

// cart is a Deployment of so many replicas, with more of its metadata as given.
func cart(replicas int, metadata string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop%s}
spec:
  replicas: %d
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: cart, image: cart}]}
`, metadata, replicas)
}

const (
	upByTwo = `scale: {by: 2, min: 2, max: 6}`
	// rolling is a change of the status alone: what a rollout does all the time.
	rolling = `{"status": {"replicas": 3, "updatedReplicas": 1, "observedGeneration": 1}}`
)

// A scene is what an operator would fear, played against an API server. A step that
// begins with a method is somebody else's; the others are ours, each with what it says.
func TestKubernetes(t *testing.T) {
	type scene struct {
		config, target string
		script         []string
	}
	scenes := map[string]scene{
		// A remedy that did not help is taken back.
		"scale and back": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"check", "ok",
			"rehearse", "would have scaled shop/Deployment/cart from 3 to 5",
			"EXPECT " + deployments + "cart", `"replicas":3`,
			"do", "scaled shop/Deployment/cart from 3 to 5",
			"EXPECT " + deployments + "cart", `"replicas":5`,
			"undo", "scaled shop/Deployment/cart back from 5 to 3",
			"EXPECT " + deployments + "cart", `"replicas":3`,
		}},
		"scale down": {`scale: {by: -2, min: 2, max: 6}`, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"do", "scaled shop/Deployment/cart from 3 to 2",
		}},
		"scale to the bound": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(5, ""),
			"do", "scaled shop/Deployment/cart from 5 to 6",
			"undo", "scaled shop/Deployment/cart back from 6 to 5",
			"PATCH " + deployments + "cart", `{"spec": {"replicas": 6}}`,
			"anew", "",
			"rehearse", "bounds: shop/Deployment/cart has 6 replicas, and the bounds are 2 to 6",
			"do", "bounds: shop/Deployment/cart has 6 replicas, and the bounds are 2 to 6",
		}},
		// Somebody has switched it off, or up for the holidays: both know more than we do.
		"scaled to nothing": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(0, ""),
			"check", "ownership: shop/Deployment/cart has 0 replicas, outside 2 to 6: somebody else has scaled it",
		}},
		"scaled beyond": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(20, ""),
			"check", "ownership: shop/Deployment/cart has 20 replicas, outside 2 to 6: somebody else has scaled it",
			"do", "ownership: shop/Deployment/cart has 20 replicas, outside 2 to 6: somebody else has scaled it",
		}},
		// The API server answers 409: the object is not the one that was checked.
		"scaled by a person meanwhile": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"check", "ok",
			"PATCH " + deployments + "cart", `{"spec": {"replicas": 4}}`,
			"do", "error: shop/Deployment/cart was changed by somebody else meanwhile",
		}},
		"made anew meanwhile": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"check", "ok",
			"DELETE " + deployments + "cart", "",
			"APPLY " + deployments + "cart", cart(3, ""),
			"do", "error: shop/Deployment/cart was changed by somebody else meanwhile",
		}},
		// A Deployment in trouble changes its status all the time; that is no reason not
		// to help it.
		"rolling meanwhile": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"check", "ok",
			"PATCH " + deployments + "cart/status", rolling,
			"rehearse", "error: answered 409: Operation cannot be fulfilled on deployments.apps \"cart\": the object has been modified; please apply your changes to the latest version and try again",
			"do", "scaled shop/Deployment/cart from 3 to 5",
		}},
		"scaled again before it is taken back": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"do", "scaled shop/Deployment/cart from 3 to 5",
			"PATCH " + deployments + "cart", `{"spec": {"replicas": 6}}`,
			"undo", "error: shop/Deployment/cart was scaled by somebody else meanwhile",
		}},
		"an autoscaler": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"APPLY /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/of-another", autoscaler("of-another", "other"),
			"check", "ok",
			"APPLY /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/of-cart", autoscaler("of-cart", "cart"),
			"check", "ownership: shop/Deployment/cart is scaled by HorizontalPodAutoscaler of-cart",
		}},
		"KEDA": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY /apis/apiextensions.k8s.io/v1/customresourcedefinitions/scaledobjects.keda.sh", scaledObjects,
			"WAIT /apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects", "",
			"APPLY " + deployments + "cart", cart(3, ""),
			"check", "ok",
			"APPLY /apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/queue",
			`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: queue}, spec: {scaleTargetRef: {name: cart}}}`,
			"check", "ownership: shop/Deployment/cart is scaled by ScaledObject queue",
		}},
		"Argo CD": {`restart: true`, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, `, annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/cart"}`),
			"check", `ownership: shop/Deployment/cart is managed by whoever set argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/cart"`,
			"do", `ownership: shop/Deployment/cart is managed by whoever set argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/cart"`,
		}},
		"Flux": {upByTwo, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, `, labels: {kustomize.toolkit.fluxcd.io/name: shop}`),
			"check", `ownership: shop/Deployment/cart is managed by whoever set kustomize.toolkit.fluxcd.io/name: "shop"`,
		}},
		"an owner label": {`{restart: true, owners: [app.kubernetes.io/instance]}`, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, `, labels: {app.kubernetes.io/instance: shop}`),
			"check", `ownership: shop/Deployment/cart is managed by whoever set app.kubernetes.io/instance: "shop"`,
		}},
		"an operator": {`restart: true`, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, `, ownerReferences: [{apiVersion: shop.example/v1, kind: Shop, name: main, uid: "1", controller: true}]`),
			"check", "ownership: shop/Deployment/cart belongs to Shop main",
		}},
		// The same restart asked for twice is one: the pod template says so.
		"restart": {`restart: true`, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"rehearse", "would have restarted shop/Deployment/cart",
			"EXPECT " + deployments + "cart", `"generation":1,`,
			"do", "restarted shop/Deployment/cart",
			"EXPECT " + deployments + "cart", `"generation":2,`,
			"PATCH " + deployments + "cart/status", rolling,
			"anew", "",
			"do", "restarted shop/Deployment/cart",
			"EXPECT " + deployments + "cart", `"generation":2,`,
		}},
		"a paused rollout": {`restart: true`, "shop/Deployment/cart", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"PATCH " + deployments + "cart", `{"spec": {"paused": true}}`,
			"check", "ownership: somebody has paused the rollout of shop/Deployment/cart",
		}},
		"evict": {`delete_pod: true`, "shop/Pod/cart-7", []string{
			"APPLY " + pods + "cart-7", pod("ReplicaSet"),
			"check", "ok",
			"rehearse", "would have evicted shop/Pod/cart-7",
			"do", "evicted shop/Pod/cart-7",
			"check", "target: there is no shop/Pod/cart-7",
		}},
		"a pod of the same name meanwhile": {`delete_pod: true`, "shop/Pod/cart-7", []string{
			"APPLY " + pods + "cart-7", pod("StatefulSet"),
			"check", "ok",
			"DELETE " + pods + "cart-7?gracePeriodSeconds=0", "",
			"APPLY " + pods + "cart-7", pod("StatefulSet"),
			"do", "error: shop/Pod/cart-7 was changed by somebody else meanwhile",
		}},
		"a pod nobody would bring back": {`delete_pod: true`, "shop/Pod/cart-7", []string{
			"APPLY " + pods + "cart-7", pod(""),
			"check", "ownership: shop/Pod/cart-7 belongs to nothing that would make it anew",
		}},
		"a pod of a job": {`delete_pod: true`, "shop/Pod/cart-7", []string{
			"APPLY " + pods + "cart-7", pod("Job"),
			"check", "ownership: shop/Pod/cart-7 belongs to Job owner",
		}},
		"a disruption budget": {`delete_pod: true`, "shop/Pod/cart-7", []string{
			"APPLY " + pods + "cart-7", pod("ReplicaSet"),
			"PATCH " + pods + "cart-7/status", `{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}`,
			"APPLY /apis/policy/v1/namespaces/shop/poddisruptionbudgets/cart",
			`{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: cart}, spec: {minAvailable: 1, selector: {matchLabels: {app: cart}}}}`,
			"PATCH /apis/policy/v1/namespaces/shop/poddisruptionbudgets/cart/status",
			`{"status": {"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": 0}}`,
			"rehearse", "error: answered 429: Cannot evict pod as it would violate the pod's disruption budget.",
			"do", "error: answered 429: Cannot evict pod as it would violate the pod's disruption budget.",
		}},
		// RBAC names the workloads that may be touched; what it does not name cannot even
		// be looked at.
		"a workload without rights": {upByTwo, "shop/Deployment/ledger", []string{
			"check", `ownership: whether shop/Deployment/ledger may be touched cannot be told: answered 403: deployments.apps "ledger" is forbidden: User "system:serviceaccount:monitoring:foreshock" cannot get resource "deployments" in API group "apps" in the namespace "shop"`,
		}},
		"nothing there": {upByTwo, "shop/Deployment/cart", []string{
			"check", "target: there is no shop/Deployment/cart",
			"do", "target: there is no shop/Deployment/cart",
		}},
	}
	for _, name := range slices.Sorted(maps.Keys(scenes)) { // recorded in one order
		scene := scenes[name]
		t.Run(name, func(t *testing.T) {
			play(t, name, func(kubeconfig string) deed {
				return onKubernetes(t, kubeconfig, scene.config, scene.target, "")
			}, scene.script)
		})
	}
}

// play goes through a script before an API server, with the deed as a process prepares it.
func play(t *testing.T, name string, prepare func(kubeconfig string) deed, script []string) {
	t.Helper()
	c, config := converse(t, strings.ReplaceAll(name, " ", "-"))
	d := prepare(config)
	for i := 0; i < len(script); i += 2 {
		step, text := script[i], script[i+1]
		if method, path, ok := strings.Cut(step, " "); ok {
			c.somebody(method, path, text)
		} else if step == "anew" { // as a process does that was started again
			d = prepare(config)
		} else if got := perform(t, d, step); got != text {
			t.Errorf("%s: got %s\nwant %s", step, got, text)
		}
	}
}

// An action that scales ahead asks for what is foreseen, in the words in which others ask for
// more, and is refused where they are.
func TestKubernetesScalesToWhatIsForeseen(t *testing.T) {
	const ahead = `scale: {min: 2, max: 6}`
	for _, scene := range []struct {
		as, value string // the scene of TestKubernetes in which the same was asked for
		script    []string
	}{
		{"scale and back", "5", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"check", "ok",
			"rehearse", "would have scaled shop/Deployment/cart from 3 to 5",
			"do", "scaled shop/Deployment/cart from 3 to 5",
			"EXPECT " + deployments + "cart", `"replicas":5`,
			"undo", "scaled shop/Deployment/cart back from 5 to 3",
		}},
		{"scale down", "2", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"do", "scaled shop/Deployment/cart from 3 to 2",
		}},
		{"scale to the bound", "6", []string{
			"APPLY " + deployments + "cart", cart(5, ""),
			"do", "scaled shop/Deployment/cart from 5 to 6",
			"undo", "scaled shop/Deployment/cart back from 6 to 5",
			"PATCH " + deployments + "cart", `{"spec": {"replicas": 6}}`,
			"anew", "",
			"do", "bounds: shop/Deployment/cart has the 6 replicas already that are foreseen",
		}},
		{"scaled beyond", "5", []string{
			"APPLY " + deployments + "cart", cart(20, ""),
			"check", "ownership: shop/Deployment/cart has 20 replicas, outside 2 to 6: somebody else has scaled it",
			"do", "ownership: shop/Deployment/cart has 20 replicas, outside 2 to 6: somebody else has scaled it",
		}},
		{"an autoscaler", "5", []string{
			"APPLY " + deployments + "cart", cart(3, ""),
			"APPLY /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/of-another", autoscaler("of-another", "other"),
			"check", "ok",
			"APPLY /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/of-cart", autoscaler("of-cart", "cart"),
			"check", "ownership: shop/Deployment/cart is scaled by HorizontalPodAutoscaler of-cart",
		}},
	} {
		t.Run(scene.as, func(t *testing.T) {
			play(t, scene.as, func(kubeconfig string) deed {
				return onKubernetes(t, kubeconfig, ahead, "shop/Deployment/cart", scene.value)
			}, scene.script)
		})
	}
	k := &kubernetesAction{verb: "scale", scale: KubernetesScaleConfig{Min: 2, Max: 6}}
	for _, value := range []string{"", "1", "7", "-3", "0x5", "1e0", "NaN", "5 ", "99999999999999999999"} {
		p := on("shop/Deployment/cart")
		p.Value = value
		if _, err := k.prepare(p); err == nil || !strings.HasSuffix(err.Error(), "is not within 2 to 6 replicas") {
			t.Errorf("scaled to %q: %v", value, err)
		}
	}
}

const pods = "/api/v1/namespaces/shop/pods/"

// pod is a pod that belongs to a controller of the kind, or to nothing.
func pod(kind string) string {
	owner := ""
	if kind != "" {
		owner = fmt.Sprintf(", ownerReferences: [{apiVersion: apps/v1, kind: %s, name: owner, uid: \"1\", controller: true}]", kind)
	}
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: cart-7, namespace: shop, labels: {app: cart}%s}
spec: {containers: [{name: cart, image: cart}]}
`, owner)
}

func autoscaler(name, of string) string {
	return fmt.Sprintf(`
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: %s, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}, maxReplicas: 9}
`, name, of)
}

// scaledObjects is KEDA's kind, as far as it says what is scaled.
const scaledObjects = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: scaledobjects.keda.sh}
spec:
  group: keda.sh
  scope: Namespaced
  names: {kind: ScaledObject, plural: scaledobjects, singular: scaledobject, listKind: ScaledObjectList}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

func TestKubernetesTargets(t *testing.T) {
	k := &kubernetesAction{}
	for _, tt := range []struct {
		configured, target string
		want               bool
	}{
		{"shop/Deployment/cart", "shop/Deployment/cart", true},
		{"shop/Deployment/cart", "shop/Deployment/cart2", false},
		{"shop/Pod/cart-*", "shop/Pod/cart-7d9f-x2", true},
		{"shop/Pod/cart-*", "shop/Pod/payment-1", false},
		{"shop/Pod/cart-*", "mall/Pod/cart-1", false},
		{"shop/Pod/*", "shop/Pod/a", true},
		{"shop/Pod/*", "shop/Pod/", false},
		{"shop/Pod/*", "shop/Pod/*", false},
		{"shop/Pod/*", "shop/Pod/..", false},
		{"shop/Pod/*", "shop/Pod/a/eviction", false},
		{"shop/Pod/*", "shop/Pod/a?force=true", false},
		{"shop/Pod/*", "shop/Pod/a%2f..", false},
		{"shop/Pod/*", "shop/Pod/A", false},
		{"shop/Pod/*", "shop/Pod/a\n", false},
		{"shop/Pod/*", "shop/Deployment/a", false},
	} {
		if got := k.matches(tt.configured, tt.target); got != tt.want {
			t.Errorf("%q, %q: got %v", tt.configured, tt.target, got)
		}
	}
}

// An action says once how many there will be, and within its own bounds.
func TestKubernetesScaleAheadThatIsRefused(t *testing.T) {
	for _, tt := range []struct{ config, ahead, want string }{
		{`scale: {min: 2, max: 20}`, `{per: 50, min: 2, max: 20}`, ""},
		{`scale: {by: 1, max: 20}`, `{per: 50, min: 2, max: 20}`, "kubernetes.scale.by: must not be set beside the action's own scale, got 1"},
		{`scale: {min: 3, max: 20}`, `{per: 50, min: 2, max: 20}`, "kubernetes.scale: must let the action's own scale reach from 2 to 20, got 3 to 20"},
		{`scale: {min: 2, max: 9}`, `{per: 50, min: 2, max: 20}`, "kubernetes.scale: must let the action's own scale reach from 2 to 20, got 2 to 9"},
		{`restart: true`, `{per: 50, min: 2, max: 20}`, "kubernetes.scale: must be set beside the action's own scale"},
	} {
		a := ActionConfig{Name: "a", Targets: []string{"shop/Deployment/cart"}}
		if err := errors.Join(yaml.Unmarshal([]byte(tt.config), &a.Kubernetes), yaml.Unmarshal([]byte(tt.ahead), &a.Scale)); err != nil {
			t.Fatal(err)
		}
		if err := a.validate("actions[0]"); tt.want == "" && err != nil || tt.want != "" && errorText(err) != "actions[0]."+tt.want {
			t.Errorf("%s beside %s: got %v, want %s", tt.config, tt.ahead, err, tt.want)
		}
	}
}

func TestKubernetesConfigsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ config, target, want string }{
		{`{}`, "shop/Pod/a", "must have one of scale, restart and delete_pod, got none"},
		{`{restart: true, delete_pod: true}`, "shop/Pod/a", "got restart and delete_pod"},
		{`scale: {max: 3}`, "shop/Deployment/a", "scale.by: must not be 0, unless the action has a scale of its own"},
		{`scale: {by: 101, max: 3}`, "shop/Deployment/a", "scale.by: must be"},
		{`scale: {by: 1}`, "shop/Deployment/a", "scale.max: must be from min to 1000, got 0"},
		{`scale: {by: 1, min: 0, max: 3}`, "shop/Deployment/a", "scale.min: must be from 1 to 1000, got 0"},
		{`scale: {by: 1, min: 4, max: 3}`, "shop/Deployment/a", "scale.max: must be from min"},
		{`scale: {by: 1, max: 1001}`, "shop/Deployment/a", "scale.max: must be from min"},
		{`delete_pod: true`, "", "must not be without targets"},
		{`delete_pod: true`, "a", "must be namespace/Kind/name"},
		{`delete_pod: true`, "*/Pod/a", "must begin with the name of a namespace"},
		{`delete_pod: true`, "shop/*/a", "must be of a kind"},
		{`delete_pod: true`, "shop/Pod/[ab]", "must end in the name of an object"},
		{`delete_pod: true`, "shop/Deployment/a", "delete_pod is for Pod, got"},
		{`restart: true`, "shop/ReplicaSet/a", "restart is for Deployment, StatefulSet, DaemonSet, got"},
		{`scale: {by: 1, max: 3}`, "shop/DaemonSet/a", "scale is for Deployment, StatefulSet, ReplicaSet, got"},
		{`{restart: true, owners: ["a b"]}`, "shop/Deployment/a", "owners[0]: must be the name"},
		{`{restart: true, timeout: 0s}`, "shop/Deployment/a", "timeout: must be from 1ms to 10m"},
	} {
		var c KubernetesConfig
		if err := yaml.Unmarshal([]byte(tt.config), &c); err != nil {
			t.Fatal(err)
		}
		var targets []string
		if tt.target != "" {
			targets = []string{tt.target}
		}
		a := ActionConfig{Name: "a", Targets: targets, Kubernetes: &c}
		if err := a.validate("actions[0]"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s on %q: got %v, want %s", tt.config, tt.target, err, tt.want)
		}
	}
}
