package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/prompb"
)

// A log server that hangs holds up neither the alert nor the evidence of another, and both
// are told with the incident.
func TestEvidenceIsToldWithTheIncident(t *testing.T) {
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(hanging.Close)
	logs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"preview":false,"result":{"sourcetype":"asked","count":"7","query":%q}}`, r.FormValue("search"))
	}))
	t.Cleanup(logs.Close)
	alerted := make(chan time.Time, 100)
	alertmanager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); bytes.Contains(body, []byte("ForeshockLimit")) {
			alerted <- time.Now()
		}
	}))
	t.Cleanup(alertmanager.Close)

	dir := t.TempDir()
	const patience = 4 * time.Second
	for name, text := range map[string]string{
		"rules.yml": "groups: [{name: g, rules: [{limit: hot, select: temperature, bound: '> 90'}]}]",
		"foreshock.yml": fmt.Sprintf(`
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
evidence:
  sources:
    - {name: hanging, kind: loki, url: %q, timeout: %s}
    - {name: splunk, kind: splunk, url: %q, queries: ['search host=${instance} error | stats count by sourcetype']}
`, alertmanager.Listener.Addr(), hanging.URL, patience, logs.URL),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	listen, none, no := []string{address}, "", false
	a, err := New(Options{
		ConfigFile:  filepath.Join(dir, "foreshock.yml"),
		StoragePath: filepath.Join(dir, "data"),
		Web:         &web.FlagConfig{WebListenAddresses: &listen, WebConfigFile: &none, WebSystemdSocket: &no},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- a.Run(ctx, nil) }()
	defer func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}()

	url := "http://" + address
	await := func(what string, try func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !try(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("in vain: ", what)
			}
		}
	}
	sent := 0
	began := time.Now()
	await("samples to be taken and the alert to come", func() bool {
		request := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
			Labels:  []prompb.Label{{Name: "__name__", Value: "temperature"}, {Name: "instance", Value: `a" OR "b`}},
			Samples: []prompb.Sample{{Timestamp: began.Add(time.Duration(sent-60) * time.Second).UnixMilli(), Value: 99}},
		}}}
		sent++
		body, err := request.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if r, err := http.Post(url+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, body))); err == nil {
			r.Body.Close()
		}
		select {
		case at := <-alerted:
			if waited := at.Sub(began); waited >= patience {
				t.Errorf("the alert came after %s", waited)
			}
			return true
		default:
			return false
		}
	})
	type evidence struct {
		Source, NotAvailable, Query string
		Lines                       int64
	}
	var told struct {
		Data []struct{ Evidence []evidence }
	}
	await("both sources to be told", func() bool {
		r, err := http.Get(url + "/api/v1/incidents")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		waits := func(e evidence) bool { return e.NotAvailable == "no answer yet" }
		return json.NewDecoder(r.Body).Decode(&told) == nil && len(told.Data) == 1 && len(told.Data[0].Evidence) == 2 &&
			!slices.ContainsFunc(told.Data[0].Evidence, waits)
	})
	if got, want := told.Data[0].Evidence[0], (evidence{Source: "hanging", NotAvailable: "no answer within 4s", Query: `{service_name=~".+"} |~ "(?i)error|fail"`}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := told.Data[0].Evidence[1], (evidence{Source: "splunk", Lines: 7, Query: `search host="a\" OR \"b" error | stats count by sourcetype`}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
