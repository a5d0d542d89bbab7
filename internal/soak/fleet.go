package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

const (
	// interval is what lies between two samples of a series, in their time.
	interval = 15 * time.Second
	// watched series of the fleet are scored, emitted, and never replaced.
	watched = 100
	// perRequest is what Prometheus puts into a request.
	perRequest = 2000
	// generation is for how long a replaced series lives: 30 min of samples. One in ten of
	// those not watched is one of these, so that of 5000 every 15 s four are new.
	generation = 120
)

// fleet is who sends: series whose samples depend on the seed, their number and their time
// alone.
type fleet struct {
	series int
	from   time.Time // of scrape 0
	seed   uint64
}

// requests are those of scrape n.
func (f fleet) requests(n int) [][]byte {
	t := f.from.Add(time.Duration(n) * interval).UnixMilli()
	var all [][]byte
	var w prompb.WriteRequest
	r := rand.New(rand.NewPCG(f.seed, uint64(n)))
	for i := range f.series {
		job, pod := "fleet", "-"
		switch {
		case i < watched:
			job = "watched"
		case i%10 == 0:
			pod = strconv.Itoa((n + i) / generation)
		}
		v := 10 + r.NormFloat64()
		if i%3 != 0 { // two in three rest, as on a host
			v = 10
		}
		w.Timeseries = append(w.Timeseries, prompb.TimeSeries{
			Labels: []prompb.Label{
				{Name: "__name__", Value: "load"},
				{Name: "instance", Value: "host-" + strconv.Itoa(i/50)},
				{Name: "job", Value: job},
				{Name: "number", Value: strconv.Itoa(i)},
				{Name: "pod", Value: pod},
			},
			Samples: []prompb.Sample{{Timestamp: t, Value: v}},
		})
		if len(w.Timeseries) == perRequest || i == f.series-1 {
			raw, err := w.Marshal()
			if err != nil {
				panic(err) // memory does not fail
			}
			all = append(all, snappy.Encode(nil, raw))
			w.Timeseries = w.Timeseries[:0]
		}
	}
	return all
}

// send posts a request again and again until it is acknowledged, as Prometheus does, and
// returns how long the try took that was.
func (j *job) send(ctx context.Context, body []byte) (time.Duration, error) {
	for {
		began := time.Now()
		status, err := j.post(ctx, body)
		switch {
		case err == nil && status == http.StatusNoContent:
			return time.Since(began), nil
		case err == nil && status/100 == 4 && status != http.StatusTooManyRequests:
			return 0, fmt.Errorf("a good request is refused: %d", status)
		}
		select {
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), err)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// client gives up as Prometheus does.
var client = &http.Client{Timeout: 30 * time.Second}

func (j *job) post(ctx context.Context, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, j.stack.URL(9797, "/api/v1/write"), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
