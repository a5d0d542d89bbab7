package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/foreshock/foreshock/internal/stack"
	"github.com/foreshock/foreshock/internal/synthetic"
)

// BenchmarkBacktest runs two hours of a thousand series every 15 s, a mixed fleet of which
// all are watched, out of a real Prometheus and through one processor. What counts is the
// program's own time, from its start to its end: it may be no more than 1/500 of the time
// that the samples took.
func BenchmarkBacktest(b *testing.B) {
	const (
		series   = 1000
		interval = 15 * time.Second
		span     = 2 * time.Hour
	)
	s := start(b, "testdata/stack")
	to := time.Now().Add(-time.Hour).Truncate(time.Minute)
	from := to.Add(-span)
	block := must[*tsdb.BlockWriter](b)(tsdb.NewBlockWriter(promslog.NewNopLogger(), filepath.Join(s.Dir, "prometheus-data"), 24*time.Hour.Milliseconds()))
	app := block.Appender(b.Context())
	for i := range series {
		kind := synthetic.Fleet[i%len(synthetic.Fleet)]
		ls := labels.FromStrings("__name__", kind.Name, "instance", fmt.Sprintf("host-%d:9100", i%20), "n", fmt.Sprint(i))
		for _, p := range kind.Make(uint64(i), interval, int(span/interval)).Points {
			if _, err := app.Append(0, ls, p.T-synthetic.Start+from.UnixMilli(), p.V); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		b.Fatal(err)
	}
	if _, err := block.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := block.Close(); err != nil {
		b.Fatal(err)
	}
	write(b, s, "prometheus.yml", "")
	write(b, s, "rules.yml", `groups: [{name: all, rules: [{watch: all, select: '{instance=~".+"}', group: off}]}]`)
	must[*stack.Process](b)(s.Prometheus(b.Context()))

	var last []byte
	for b.Loop() {
		began := time.Now()
		cmd := exec.CommandContext(b.Context(), program(b), "backtest", "--url", s.URL(9090, ""), "--rules", "rules.yml",
			"--from", from.UTC().Format(time.RFC3339), "--to", to.UTC().Format(time.RFC3339))
		cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), "GOMAXPROCS=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		took := time.Since(began)
		b.ReportMetric(float64(span)/float64(took), "×real-time")
		b.ReportMetric(cmd.ProcessState.UserTime().Seconds()+cmd.ProcessState.SystemTime().Seconds(), "cpu-s")
		if last = out; !bytes.Contains(out, []byte(" samples of 1000 series")) {
			b.Fatalf("not all of it was read:\n%s", out)
		}
	}
	b.Logf("%s", last[:min(len(last), 400)])
}
