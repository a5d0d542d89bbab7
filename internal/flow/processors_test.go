package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// queues is two hours of twelve queues' lengths every 15 s, in batches of random order and
// size; three of them are long for ten minutes.
func queues() iter.Seq2[*foreshock.Batch, error] {
	all := make([]*foreshock.Series, 12)
	for i := range all {
		all[i] = foreshock.NewSeries(labels.FromStrings("__name__", "queue_length", "instance", fmt.Sprint(i), "job", fmt.Sprint("job-", i%3)))
	}
	return func(yield func(*foreshock.Batch, error) bool) {
		r := rand.New(rand.NewPCG(1, 0))
		for t := time.Duration(0); t < 2*time.Hour; t += 15 * time.Second {
			var b foreshock.Batch
			for i, s := range all {
				v := 10 + r.NormFloat64()
				if i%4 == 0 && t >= 90*time.Minute && t < 100*time.Minute {
					v += 80
				}
				b.Samples = append(b.Samples, foreshock.Sample{Series: s, T: start.Add(t).UnixMilli(), V: v})
			}
			r.Shuffle(len(b.Samples), func(i, j int) { b.Samples[i], b.Samples[j] = b.Samples[j], b.Samples[i] })
			if !yield(&b, nil) {
				return
			}
		}
	}
}

// place is where a shard has a series, which is no outcome.
var place = regexp.MustCompile(`,"Home":[0-9]+`)

// TestTheOutcomeIsTheSameOnAnyProcessors: the same batches come to the same scores,
// incidents, alerts and remedies, byte for byte, whatever the number of shards and of
// processors.
func TestTheOutcomeIsTheSameOnAnyProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var want []byte
	for _, n := range []int{1, 2, 4, 7} {
		runtime.GOMAXPROCS(n)
		var got bytes.Buffer
		e := json.NewEncoder(&got)
		alerts, remedies := 0, 0
		o := options(t, func(o Outcome) {
			alerts, remedies = alerts+len(o.Alerts), remedies+len(o.Remedies)
			if err := e.Encode(o); err != nil {
				t.Error(err)
			}
		})
		o.Shards = n
		if err := Run(t.Context(), o, queues()); err != nil {
			t.Fatal(err)
		}
		all := place.ReplaceAll(got.Bytes(), nil)
		if want == nil {
			want = all
			t.Logf("%d bytes with %d alerts and %d remedies", len(want), alerts, remedies)
			if alerts == 0 || remedies == 0 {
				t.Error("nothing was told or done: it proves nothing")
			}
		}
		if !bytes.Equal(all, want) {
			i := 0
			for i < min(len(all), len(want)) && all[i] == want[i] {
				i++
			}
			t.Errorf("%d shards and processors come to another outcome:\n%.300s\nwant\n%.300s", n, all[max(0, i-100):], want[max(0, i-100):])
		}
	}
}
