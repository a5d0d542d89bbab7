package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/prompb"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/foreshock/foreshock/app"
	"github.com/foreshock/foreshock/internal/synthetic"
)

// startHistory starts a Foreshock on the script's foreshock.yml, tells it a day of two hosts
// by remote write and puts its address into $URL. At 14:00 the load of web-1, and with
// it its context switches, make a step, as its temperature does by little.
func startHistory(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	address := l.Addr().String()
	ts.Check(l.Close())

	listen, none, no := []string{address}, "", false
	a, err := app.New(app.Options{
		ConfigFile:  ts.MkAbs("foreshock.yml"),
		StoragePath: ts.MkAbs("data"),
		Web:         &web.FlagConfig{WebListenAddresses: &listen, WebConfigFile: &none, WebSystemdSocket: &no},
	})
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- a.Run(ctx, nil) }()
	ts.Defer(func() {
		stop()
		if err := <-stopped; err != nil {
			ts.Logf("stop: %v", err)
		}
	})
	url := "http://" + address
	ts.Setenv("URL", url)

	const minutes, step = 15 * 60, 14 * 60
	var request prompb.WriteRequest
	add := func(seed uint64, name, instance string, height float64, more ...prompb.Label) {
		s := prompb.TimeSeries{Labels: append([]prompb.Label{{Name: "__name__", Value: name}, {Name: "instance", Value: instance}}, more...)}
		for i, p := range synthetic.Noise(seed, time.Minute, minutes).Points {
			if i >= step {
				p.V += height
			}
			s.Samples = append(s.Samples, prompb.Sample{Timestamp: p.T, Value: p.V})
		}
		request.Timeseries = append(request.Timeseries, s)
	}
	add(1, "node_load1", "web-1:9100", 30)
	add(2, "node_load1", "web-2:9100", 0)
	add(3, "node_context_switches", "web-1:9100", 40)
	add(5, "node_queue", "web-3:9100", 30, prompb.Label{Name: "queue", Value: "in"})
	add(6, "node_queue", "web-3:9100", 30, prompb.Label{Name: "queue", Value: "out"})
	add(4, "node_temperature", "web-1:9100", 8)
	body, err := request.Marshal()
	ts.Check(err)
	send := func() error {
		r, err := http.Post(url+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, body)))
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusNoContent {
			return fmt.Errorf("write: %s", r.Status)
		}
		return nil
	}
	within(ts, send)
	within(ts, func() error {
		var b strings.Builder
		data, err := explain(context.Background(), server{url: url}, `node_temperature`, "2026-01-05T14:59:00Z", time.Now())
		if b.Write(data); err == nil && !strings.Contains(b.String(), `"at":"2026-01-05T14:59:00.000Z"`) {
			err = fmt.Errorf("still scoring: %s", &b)
		}
		return err
	})
}

// within tries for ten seconds.
func within(ts *testscript.TestScript, try func() error) {
	var err error
	for range 200 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Check(err)
}

// A person types times as they come to mind.
func TestTimesToExplain(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.FixedZone("CET", 3600)) // 08:30 UTC
	for text, want := range map[string]string{
		"2026-02-28T03:00:00+01:00": "2026-02-28T02:00:00Z",
		"1772334000.5":              "2026-03-01T03:00:00.5Z",
		"03:00":                     "2026-03-01T03:00:00Z",
		"08:30":                     "2026-03-01T08:30:00Z",
		"08:31":                     "2026-02-28T08:31:00Z",
		"23:59:30":                  "2026-02-28T23:59:30Z",
		"90m":                       "2026-03-01T07:00:00Z",
		"1d":                        "2026-02-28T08:30:00Z",
	} {
		at, err := momentOf("--at", text, now)
		if err != nil || at.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %s, %v, want %s", text, at.UTC().Format(time.RFC3339Nano), err, want)
		}
	}
	for _, text := range []string{"yesterday", "25:00", "-1", "1e300", "NaN", ""} {
		if at, err := momentOf("--at", text, now); err == nil || !strings.Contains(err.Error(), "want RFC 3339") {
			t.Errorf("%q: %s, %v, want an error that says how", text, at, err)
		}
	}
}
