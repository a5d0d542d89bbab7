package score

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/synthetic"
)

func BenchmarkRun(b *testing.B) {
	const rows = 100_000
	text := asColumns([]synthetic.Stream{synthetic.Noise(1, time.Minute, rows)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(context.Background(), io.Discard, strings.NewReader(text), Options{Name: "f.csv", Config: detector.DefaultConfig()}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
