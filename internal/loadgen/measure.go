package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// row is one line of the table: what is sent, and how.
type row struct {
	Series      int      `json:"series"`
	Protocol    protocol `json:"protocol"`
	Mix         mix      `json:"mix"`
	Connections int      `json:"connections"`
	Cores       int      `json:"cores"`
	Rate        float64  `json:"rate"`  // samples a second; 0 is as fast as they are taken
	Churn       float64  `json:"churn"` // share of series replaced an hour
	Rules       int      `json:"rules"` // with expressions
	Warm        int      `json:"warmScrapes"`
	Measured    int      `json:"measuredScrapes"`
}

// String is the row in words.
func (r *row) String() string {
	s := fmt.Sprintf("%s series, %s, %s, %s, %s", short(r.Series), r.Protocol, r.Mix,
		plural(r.Connections, "connection"), plural(r.Cores, "core"))
	if r.Rate > 0 {
		s += fmt.Sprintf(", %s samples/s", short(int(r.Rate)))
	}
	if r.Churn > 0 {
		s += fmt.Sprintf(", %.0f %% churn an hour", 100*r.Churn)
	}
	if r.Rules > 0 {
		s += fmt.Sprintf(", %s with expressions", plural(r.Rules, "rule"))
	}
	return s
}

// measurement is what one run of one program shows.
type measurement struct {
	SamplesPerSecond    float64 `json:"samplesPerSecond"`
	SamplesPerCPUSecond float64 `json:"samplesPerCPUSecond"`
	FirstCPU            float64 `json:"firstScrapeCPUNanosecondsPerSeries"`
	Resident            float64 `json:"residentBytesPerSeries"` // above idle, after all scrapes
	P50                 float64 `json:"p50Milliseconds"`
	P99                 float64 `json:"p99Milliseconds"`
	Pause               float64 `json:"longestPauseMilliseconds"` // of the garbage collector, of late
	LoaderCPU           float64 `json:"loaderCPUNanosecondsPerSample"`
	Refused             int     `json:"requestsRefused"` // for want of room, and sent again
	Evaluations         int     `json:"ruleEvaluations,omitempty"`
	Evaluating          float64 `json:"secondsEvaluatingRules,omitempty"`
	Missed              int     `json:"ruleEvaluationsMissed,omitempty"` // as the next was due
	Sent                int     `json:"samplesSent"`
	Kept                int     `json:"samplesKept"` // as the server says
	Failed              string  `json:"failed,omitempty"`
}

// measure runs one program once: the first scrape, the warm ones, those that count.
// What goes wrong with the samples is in the measurement; an error is about the rest.
func (ps *programs) measure(ctx context.Context, p program, r *row, scrapes []scrape) (m measurement, err error) {
	srv, err := ps.start(ctx, p, r)
	if err != nil {
		return m, err
	}
	defer srv.stop()
	snd := newSender(srv.url("/api/v1/write"), r.Protocol, r.Connections)
	defer snd.close()

	first, err := srv.phase(ctx, snd, scrapes[:1], 0)
	if err == nil {
		_, err = srv.phase(ctx, snd, scrapes[1:1+r.Warm], 0)
	}
	var last phase
	if err == nil {
		profiled := srv.profile(ctx, ps.profile)
		last, err = srv.phase(ctx, snd, scrapes[1+r.Warm:], r.Rate)
		err = errors.Join(err, <-profiled)
	}
	if ctx.Err() != nil {
		return m, context.Cause(ctx)
	}
	if err != nil {
		return measurement{Failed: err.Error()}, nil
	}
	size, err := resident(srv.process.Pid())
	if err != nil {
		return m, err
	}
	counters, err := srv.settle(ctx)
	if err != nil {
		return m, err
	}
	n := float64(last.samples)
	m = measurement{
		SamplesPerSecond:    n / last.elapsed.Seconds(),
		SamplesPerCPUSecond: n / last.cpu.Seconds(),
		FirstCPU:            float64(first.cpu) / float64(first.samples),
		Resident:            float64(size-srv.idle) / float64(r.Series),
		P50:                 quantile(last.took, 0.5),
		P99:                 quantile(last.took, 0.99),
		Pause:               longestPause(counters) * 1e3,
		LoaderCPU:           float64(last.loader) / n,
		Refused:             int(snd.refused.Load()),
		Evaluations:         int(counters.Sum("foreshock_query_rule_evaluations_total", nil)),
		Evaluating:          counters.Sum("foreshock_query_rule_evaluation_seconds_total", nil),
		Missed:              int(counters.Sum("foreshock_query_rule_evaluations_missed_total", nil)),
		Sent:                samples(scrapes),
		Kept:                p.kept(counters),
	}
	if m.Kept != m.Sent {
		m.Failed = fmt.Sprintf("kept %d of the %d samples sent", m.Kept, m.Sent)
	}
	return m, nil
}

// phase is what a stretch of scrapes took.
type phase struct {
	samples              int
	elapsed, cpu, loader time.Duration
	took                 []time.Duration
}

// phase sends scrapes and waits until all of them are dealt with.
func (s *server) phase(ctx context.Context, snd *sender, scrapes []scrape, rate float64) (phase, error) {
	ph := phase{samples: samples(scrapes)}
	cpu, err := cpuTime(s.process.Pid())
	if err != nil {
		return ph, err
	}
	loader, err := cpuTime(os.Getpid())
	if err != nil {
		return ph, err
	}
	start := time.Now()
	if ph.took, err = snd.play(ctx, scrapes, rate); err != nil {
		return ph, err
	}
	own, err := cpuTime(os.Getpid())
	if err != nil {
		return ph, err
	}
	if _, err := s.settle(ctx); err != nil {
		return ph, err
	}
	ph.elapsed, ph.loader = time.Since(start), own-loader
	now, err := cpuTime(s.process.Pid())
	ph.cpu = now - cpu
	return ph, err
}

func samples(scrapes []scrape) int {
	n := 0
	for _, s := range scrapes {
		for _, r := range s {
			n += r.samples
		}
	}
	return n
}

// quantile is that of ds, in ms. It is the smallest that at least the share q does not
// exceed.
func quantile(ds []time.Duration, q float64) float64 {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	i := int(q*float64(len(ds))+0.999999) - 1
	return sorted[min(max(i, 0), len(ds)-1)].Seconds() * 1e3
}
