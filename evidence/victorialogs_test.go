package evidence

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/stack"
)

// startVictoriaLogs starts the real program and returns where it listens.
func startVictoriaLogs(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	bin, err := filepath.Abs("../.tools/bin")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack.Stack{Dir: t.TempDir(), Bin: bin}
	t.Cleanup(s.Stop)
	p, err := s.Start(filepath.Join(bin, "victoria-logs"), "-storageDataPath=data", "-httpListenAddr="+addr, "-memory.allowedBytes=64MiB")
	if err != nil {
		t.Fatal(err)
	}
	url = "http://" + addr
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := stack.Fetch(t.Context(), url+"/health"); err == nil {
			return url
		}
		if time.Now().After(deadline) {
			t.Fatalf("VictoriaLogs was not ready; it said:\n%s", p.Log())
		}
	}
}

// send posts body and demands a good answer.
func send(t *testing.T, url, kind, body string) {
	t.Helper()
	resp, err := http.Post(url, kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %s", url, resp.Status)
	}
}

// The real VictoriaLogs counts and names what was pushed to it, through Loki's push API and
// as JSON lines, within the time asked for and under hostile labels.
func TestRealVictoriaLogs(t *testing.T) {
	url := startVictoriaLogs(t)
	began := time.Now().Truncate(time.Second)
	ns := func(d time.Duration) string { return strconv.FormatInt(began.Add(d).UnixNano(), 10) }
	pushed, err := json.Marshal(map[string]any{"streams": []any{map[string]any{
		"stream": map[string]string{"app": "cart", "namespace": "shop"},
		"values": [][2]string{
			{ns(-2 * time.Second), "error: order 17 not saved in 12ms"},
			{ns(-time.Second), "Error: order 18 not saved in 9ms"},
			{ns(0), "all is well"},
			{ns(-time.Hour), "error: too early"},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	send(t, url+"/insert/loki/api/v1/push", "application/json", string(pushed))
	var lines strings.Builder
	for i, namespace := range hostile {
		line, err := json.Marshal(map[string]string{"_time": began.UTC().Format(time.RFC3339), "_msg": fmt.Sprintf("failed %d", i), "app": "pay", "namespace": namespace})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s\n", line)
	}
	send(t, url+"/insert/jsonline?_stream_fields=app", "application/stream+json", lines.String())
	send(t, url+"/internal/force_flush", "", "")

	c := at(VictoriaLogs, "plain", url)
	quoted := at(VictoriaLogs, "quoted", url+"/")
	quoted.By = "app"
	quoted.Queries = []string{"namespace:=${namespace} # as it is"}
	stream := at(VictoriaLogs, "stream", url)
	stream.Queries = []string{`{namespace=${namespace}} i(error)`}
	e, k, _ := start(t, configOf(c, quoted, stream), 0)
	k.ns.Store(began.Add(time.Minute).UnixNano())

	// Lines take a moment to be found: another incident asks anew.
	all := int64(2 + len(hostile))
	var found []foreshock.Evidence
	for i, deadline := 0, time.Now().Add(20*time.Second); time.Now().Before(deadline); i++ {
		one := firing(fmt.Sprint("wait ", i), "namespace", "shop")
		one.StartsAt = began.UnixMilli()
		e.Offer([]foreshock.Incident{one})
		if found = await(t, e, one.ID, 3); found[0].Total == all {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if f := found[0]; f.Missing != "" || f.Total != all || !reflect.DeepEqual(f.By, counts(`{app="pay"}`, len(hostile), `{app="cart",namespace="shop"}`, 2)) {
		t.Errorf("%+v", f)
	} else if want := counts("failed <N>", len(hostile)); !reflect.DeepEqual(f.Patterns[:1], want) || len(f.Patterns) != 3 {
		t.Errorf("%+v", f.Patterns)
	}
	// The value shop: three lines of the cart in time, one of the payment.
	if f := found[1]; f.Missing != "" || f.Total != 4 || !reflect.DeepEqual(f.By, counts("cart", 3, "pay", 1)) {
		t.Errorf("%+v", f)
	}
	if f := found[2]; f.Missing != "" || f.Total != 2 {
		t.Errorf("%+v", f)
	}
	for _, namespace := range hostile[1:] {
		one := firing("hostile "+namespace, "namespace", namespace)
		one.StartsAt = began.UnixMilli()
		e.Offer([]foreshock.Incident{one})
		if f := await(t, e, one.ID, 3)[1]; f.Missing != "" || f.Total != 1 {
			t.Errorf("%q finds other lines than its own: %+v", namespace, f)
		}
	}
}
