package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock"
)

// TestStopUnderLoad sends SIGTERM while eight senders write: what was acknowledged
// before the end is scored and its score delivered downstream, and the process
// leaves with exit code 0 within 15 s.
func TestStopUnderLoad(t *testing.T) {
	down := newDownstream(t)
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", `groups: [{name: all, rules: [{watch: load, select: load, emit: all}]}]`)
	write(t, s, "foreshock.yml", fmt.Sprintf(`
rule_files: [rules.yml]
remote_write: [{url: %q}]
`, down.URL))
	p := sidecar(t, s)

	const perRequest = 10
	var acknowledged atomic.Int64
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			begin := time.Now().Add(-time.Hour).UnixMilli()
			for n := int64(0); ; n++ {
				body := loadRequest(i, begin+n*perRequest*1000, perRequest)
				status, err := post(s.URL(9797, "/api/v1/write"), body, nil)
				switch {
				case err != nil || status == http.StatusServiceUnavailable:
					return // the end has come
				case status != http.StatusNoContent:
					t.Errorf("status %d", status)
					return
				}
				acknowledged.Add(perRequest)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}

	time.Sleep(5 * time.Second)
	asked := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, p.Log())
	}
	took := time.Since(asked)
	senders.Wait()
	t.Logf("%d samples acknowledged; stopped in %s", acknowledged.Load(), took.Round(time.Millisecond))
	if took > 15*time.Second {
		t.Errorf("stopping took %s, want at most 15 s", took)
	}
	// A request may have been scored whose acknowledgement the end cut off, so there
	// can be more scores than acknowledged samples, never fewer.
	if got, want := down.scores.Load(), acknowledged.Load(); got < want || want == 0 {
		t.Errorf("%d scores reached the downstream for %d acknowledged samples", got, want)
	}
}

// TestStopWithSlowEverything: a connection that says nothing, a request half sent and
// a downstream that never answers do not keep the process from leaving in order.
func TestStopWithSlowEverything(t *testing.T) {
	hang := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(hang) })
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", `groups: [{name: all, rules: [{watch: load, select: load, emit: all}]}]`)
	write(t, s, "foreshock.yml", fmt.Sprintf(`
rule_files: [rules.yml]
remote_write: [{url: %q}]
`, silent.URL))
	p := sidecar(t, s)
	if status, err := post(s.URL(9797, "/api/v1/write"), loadRequest(0, time.Now().UnixMilli(), 500), nil); err != nil || status != http.StatusNoContent {
		t.Fatal(status, err)
	}
	for _, said := range []string{"", "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"} {
		conn := must[net.Conn](t)(net.Dial("tcp", s.Addr(9797)))
		defer conn.Close()
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
	}
	asked := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, p.Log())
	}
	if took := time.Since(asked); took > 15*time.Second {
		t.Errorf("stopping took %s, want at most 15 s", took)
	} else {
		t.Logf("stopped in %s", took.Round(time.Millisecond))
	}
}

// downstream takes remote write 1.0 and counts the scores in it.
type downstream struct {
	*httptest.Server
	scores atomic.Int64
}

func newDownstream(t *testing.T) *downstream {
	d := &downstream{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		raw, err := snappy.Decode(nil, body)
		if err != nil {
			t.Error(err)
		}
		var req prompb.WriteRequest
		if err := req.Unmarshal(raw); err != nil {
			t.Error(err)
		}
		for _, ts := range req.Timeseries {
			for _, l := range ts.Labels {
				if l.Name == "__name__" && l.Value == foreshock.ScoreMetric {
					for _, sample := range ts.Samples {
						if !(foreshock.Sample{V: sample.Value}).Stale() {
							d.scores.Add(1)
						}
					}
				}
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(d.Close)
	return d
}

// loadRequest holds n samples of one sender's series, a second apart.
func loadRequest(sender int, from int64, n int) []byte {
	ts := prompb.TimeSeries{Labels: []prompb.Label{
		{Name: "__name__", Value: "load"}, {Name: "sender", Value: fmt.Sprint(sender)},
	}}
	for i := range int64(n) {
		ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: from + i*1000, Value: float64(i * 37 % 11)})
	}
	raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}).Marshal()
	if err != nil {
		panic(err)
	}
	return snappy.Encode(nil, raw)
}

// post sends a remote-write body and returns the status.
func post(url string, body []byte, header http.Header) (int, error) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	reason, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusNoContent && len(reason) > 1024 {
		err = fmt.Errorf("a reason of %d bytes", len(reason))
	}
	return resp.StatusCode, err
}
