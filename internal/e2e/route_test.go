package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// TestRouteOfTheExamples: the route of examples/alertmanager brings what is to be restarted
// to the Foreshock of examples/lambda at once, and nothing else.
func TestRouteOfTheExamples(t *testing.T) {
	s := start(t, filepath.Join(root, "examples/alertmanager"))
	for _, name := range []string{"foreshock.yml", "rules.yml"} {
		text := string(must[[]byte](t)(os.ReadFile(filepath.Join(root, "examples/lambda", name))))
		write(t, s, name, strings.ReplaceAll(s.Local(text), `remediation="scale"`, `remediation="restart"`))
	}
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	sidecar(t, s)
	alerts, err := json.Marshal([]map[string]any{
		{"labels": map[string]string{"alertname": "Slow", "auto_scaling_group": "web"}},
		{"labels": map[string]string{"alertname": "Slow", "auto_scaling_group": "web", "remediation": "restart-all"}},
		{"labels": map[string]string{"alertname": "Slow", "auto_scaling_group": "web", "remediation": "restart"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := must[*http.Response](t)(http.Post(s.URL(9093, "/api/v2/alerts"), "application/json", bytes.NewReader(alerts)))
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	// By default Alertmanager would wait for 30 s.
	eventually(t, 25*time.Second, "a plan", func() bool {
		plans := answer(t, s.URL(9797, "/api/v1/remediations")).([]any)
		if len(plans) == 0 {
			return false
		}
		plan := plans[0].(map[string]any)["plan"].(map[string]any)
		if len(plans) != 1 || plan["rule"] != "scale_web" || plan["target"] != "web" {
			t.Fatalf("planned %v", plans)
		}
		return true
	})
	if n := metric(t, s, 9797, "foreshock_remediation_alerts_total", nil); n != 1 {
		t.Errorf("%g alerts came", n)
	}
}
