package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/api"
	"github.com/foreshock/foreshock/internal/gate"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/query"
)

// Bounds on slow clients. A sender keeps its connection five minutes between
// requests (Prometheus's idle timeout), so ours is longer, or it would meet a
// closed one.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = time.Minute
	answerTimeout = 75 * time.Second // from the end of the header: reads the body, answers
	idleTimeout   = 6 * time.Minute
	maxHeader     = 64 << 10 // bytes
)

// defaultConnections is room for many senders: Prometheus has up to 50 connections to each
// of its downstreams. 4096 × ~10 KiB ≈ 40 MiB when all are open.
const defaultConnections = 4096

// maxScrapes of each page of metrics are answered at once: they take as much memory as
// there are metrics, whoever asks.
const maxScrapes = 8

func (a *App) newServer() *http.Server {
	s := &http.Server{
		Handler:           a.whenRestored(a.routes()),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(a.logger.With("component", "web").Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(a.events.Close) // or it would wait for every page that is open
	gate.New(gate.Options{
		MaxConnections: cmp.Or(a.opts.MaxConnections, defaultConnections),
		Registerer:     a.registry,
		Logger:         a.logger.With("component", "web"),
	}).Guard(s)
	return s
}

// operations are what is answered beside the API of the rooms.
var operations = []api.Operation{
	{Pattern: "POST /api/v1/write", Summary: "Take samples by Prometheus's remote write, 1.0 or 2.0.", BodyType: "application/x-protobuf"},
	{Pattern: "POST /api/v1/push", Summary: "The same, where Mimir has it.", BodyType: "application/x-protobuf"},
	{Pattern: "GET /metrics", Summary: "Metrics of Foreshock itself.", Type: "text/plain"},
	{Pattern: "GET /metrics/anomalies", Summary: "What was emitted last: scores, bands, forecasts, incidents.", Type: "text/plain"},
	{Pattern: "GET /-/healthy", Summary: "Whether the process lives.", Type: "text/plain"},
	{Pattern: "GET /-/ready", Summary: "Whether it takes samples.", Type: "text/plain"},
	{Pattern: "POST /-/reload", Summary: "Read the configuration again, with --web.enable-lifecycle.", Type: "text/plain"},
	{Pattern: "PUT /-/reload", Summary: "The same.", Type: "text/plain"},
}

// routes are all that is served.
func (a *App) routes() *api.Mux {
	mux := new(api.Mux)
	for _, path := range []string{"/api/v1/write", "/api/v1/push"} {
		mux.Handle(path, a.whenReady(a.receiver))
	}
	mux.Handle("/api/v1/alertmanager/webhook", a.whenReady(a.remediation.Webhook()))
	plans := a.remediation.API()
	mux.Handle("/api/v1/remediations", plans)
	mux.Handle("/api/v1/remediations/", plans)

	prometheus := a.query.API()
	for _, pattern := range prometheus.Patterns() {
		mux.Handle(pattern, prometheus)
	}

	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(a.registry,
		promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes})))
	mux.Handle("GET /metrics/anomalies", a.emitter.Anomalies())

	mux.Handle("GET /-/healthy", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Foreshock is healthy.")
	}))
	mux.Handle("GET /-/ready", a.whenReady(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if why := a.keeper.degraded(); why != "" {
			fmt.Fprintf(w, "Foreshock is ready, but degraded: %s.\n", why)
			return
		}
		fmt.Fprintln(w, "Foreshock is ready.")
	})))
	reload := gate.Browserless(http.HandlerFunc(a.reloadHandler))
	mux.Handle("POST /-/reload", reload)
	mux.Handle("PUT /-/reload", reload)

	if a.opts.EnablePprof {
		mux.Handle("GET /debug/pprof/", http.HandlerFunc(pprof.Index))
		mux.Handle("GET /debug/pprof/profile", http.HandlerFunc(pprof.Profile))
		mux.Handle("GET /debug/pprof/trace", http.HandlerFunc(pprof.Trace))
	}

	mux.Handle("/", console.New(console.Options{
		Status:    a.status,
		Incidents: a.told,
		Series:    a.series,
		Explain:   a.explain,
		Curve:     a.curve,
		Recent:    a.recent,
		Forecasts: a.outlooks.list,
		Rules:     a.ruleBook,
		Near:      a.near,
		Often:     a.often,
		About:     a.aboutThis,
		Elsewhere: a.elsewhere,
		Events:    a.events,
		Dismiss:   a.incidents.dismiss,
		Guard:     a.remediation.Guard,
		Logger:    a.logger.With("component", "console"),
	}))
	return mux
}

// whenReady answers 503 while the process cannot take anything: starting or
// stopping. Senders then keep what they have and try again.
func (a *App) whenReady(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.ready.Load() {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "Foreshock is not ready: "+a.doing(), http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// whenRestored lets nobody ask what is being taken up yet, but how the process is.
func (a *App) whenRestored(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics", "/-/healthy", "/-/ready":
		default:
			if !a.restored.Load() {
				w.Header().Set("Retry-After", "5")
				http.Error(w, "Foreshock is not ready: "+a.doing(), http.StatusServiceUnavailable)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// doing is what keeps the process from being ready.
func (a *App) doing() string {
	if a.warmStart.Running() {
		return fmt.Sprintf("warming up on history, %.0f %%", 100*a.warmStart.Progress())
	}
	if !a.restored.Load() {
		return "taking up the checkpoint"
	}
	if a.keeper.replaying.Load() {
		return "replaying the ingest log"
	}
	return "starting or stopping"
}

// status shows the console where the detector stands.
func (a *App) status() console.Status {
	s := a.detector.Status()
	shown := console.Status{
		Series: s.Series, Warming: s.Warming, MaxSeries: s.MaxSeries, WindowBytes: s.WindowBytes,
		MemoryBytes: s.MemoryBytes, MemoryLimit: s.MemoryLimit,
		Batches: s.Batches, Samples: s.Samples, Scored: s.Scored,
		Late: s.Late, Refused: s.Refused, Evicted: s.Evicted, Skipped: s.Skipped,
	}
	for _, b := range s.Budgets {
		shown.Budgets = append(shown.Budgets, console.Budget(b))
	}
	for _, r := range a.evaluator.Records() {
		shown.Expressions = append(shown.Expressions, expressionOf(r))
	}
	if b := a.sight.blindness(); b.Blind() {
		shown.Blind, shown.BlindSince, shown.BlindWhy = true, record.Instant(b.Since.UnixMilli()), b.Why
	}
	if !s.Now.IsZero() {
		shown.Now = record.Instant(s.Now.UnixMilli())
	}
	return shown
}

// expressionOf is r as the console shows it.
func expressionOf(r query.Record) console.Expression {
	x := console.Expression{
		Rule: r.Rule, EverySeconds: r.Every.Seconds(), Evaluations: r.Evaluations, Failed: r.Failed, Missed: r.Missed,
		Seconds: r.Took.Seconds(), LastSeconds: r.LastTook.Seconds(), LastSamples: r.LastSamples, Series: r.Series,
	}
	if r.Err != nil {
		x.Error = r.Err.Error()
	}
	return x
}

// told are the incidents with what logs say of them, and what was done, by now. As severe as
// its rule says is what an incident's alert is.
func (a *App) told() []foreshock.Incident {
	all := a.incidents.list()
	set := a.inUse.Load().Rules
	for i := range all {
		if labels, _ := set.Text(all[i].Rule); labels["severity"] != "" && all[i].Severity != "" {
			all[i].Severity = labels["severity"]
		}
	}
	a.evidence.Show(all)
	a.remediation.Attach(all)
	return all
}

// series shows the console what the detector's shards hold.
func (a *App) series(ctx context.Context, matchers []*labels.Matcher, limit int) ([]console.Series, error) {
	views, err := a.detector.Select(ctx, matchers, limit)
	if err != nil {
		return nil, err
	}
	shown := make([]console.Series, len(views))
	for i, v := range views {
		shown[i] = console.Series{
			Series: v.Series, Kind: v.Kind, Rule: v.Rule, Ended: v.Ended, Inherited: v.Inherited, Last: v.Last, Samples: v.Samples,
			Season: seasonOf(v.Season),
		}
	}
	return shown, nil
}

// seasonOf is s as the console shows it.
func seasonOf(s *detector.Season) *console.Season {
	if s == nil {
		return nil
	}
	numbers := func(all []float64) []record.Number {
		shown := make([]record.Number, len(all))
		for i, v := range all {
			shown[i] = record.Number(v)
		}
		return shown
	}
	return &console.Season{Strong: s.Strong, Centre: record.Number(s.Centre), Day: numbers(s.Day), Week: numbers(s.Week)}
}

// demandsClientCertificates reports whether the exporter-toolkit file lets nobody in
// without a verified client certificate: then the webhook is open without a token in
// the modes that cannot act.
func demandsClientCertificates(file string) (bool, error) {
	if file == "" {
		return false, nil
	}
	if err := web.Validate(file); err != nil {
		return false, fmt.Errorf("check the web configuration %s: %w", file, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false, fmt.Errorf("read the web configuration: %w", err)
	}
	var c struct {
		TLS struct {
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return false, fmt.Errorf("read the web configuration %s: %w", file, err)
	}
	return c.TLS.ClientAuth == "RequireAndVerifyClientCert", nil
}
