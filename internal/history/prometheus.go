package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage/remote"

	"github.com/foreshock/foreshock"
)

const (
	// timeout is for one slice: Prometheus gives up a query after two minutes too.
	timeout = 2 * time.Minute

	// maxAnswer bounds one answer in JSON: some 40 B a sample × fewSamples, and labels.
	maxAnswer = 64 << 20

	// maxReason bounds what a server says of an error, in bytes.
	maxReason = 1 << 10

	// maxFrame bounds one frame of a streamed answer: one series' chunks. Prometheus
	// sends at most a MiB in each.
	maxFrame = 32 << 20
)

// Server is a Prometheus, or what speaks as one, and how to get in.
type Server struct {
	// URL is where its API is, without /api/v1: http://prometheus:9090.
	URL *url.URL
	// HTTP is Prometheus's own block of TLS, authentication and proxy.
	HTTP promconfig.HTTPClientConfig
	// Logger hears what is missing but not needed; nil discards.
	Logger *slog.Logger
}

// ParseURL reads the address of a Prometheus. Credentials have no place in it, as errors
// and logs repeat it; so its own error does not.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("must be http:// or https:// and a host, without a user, such as http://localhost:9090")
	}
	return u, nil
}

func (s Server) api() (promv1.API, error) {
	client, err := promconfig.NewClientFromConfig(s.HTTP, "history")
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", s.URL.Redacted(), err)
	}
	client.Transport = bounded{client.Transport}
	client.Timeout = timeout
	c, err := api.NewClient(api.Config{Address: s.URL.String(), Client: client})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", s.URL.Redacted(), err)
	}
	return promv1.NewAPI(c), nil
}

func (s Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

// bounded keeps answers that are read as a whole to maxAnswer, and the words of those that
// are errors to maxReason. Streams are read frame by frame and have no end to keep to.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch {
	case answer.StatusCode/100 != 2:
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxReason), answer.Body}
	case !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/x-streamed-protobuf"):
		answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswer}
	}
	return answer, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read returns errFull where more follows than may.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errFull
	}
	return n, err
}

// Prometheus reads raw samples by remote read: what was scraped, as it was sent to those
// who are written to, with stale markers and native histograms. Where a server does not
// offer that, it reads what query_range says, which is less exact; the log says so.
type Prometheus struct {
	slicer
	server    Server
	client    remote.ReadClient
	queries   []*prompb.Query // without their times
	selectors []string        // the same as PromQL
	steps     *steps          // nil while remote read is offered
}

// NewPrometheus returns a Source of the selected series of s.
func NewPrometheus(s Server, selectors Selectors) (*Prometheus, error) {
	client, err := remote.NewReadClient("history", &remote.ClientConfig{
		URL:              &promconfig.URL{URL: s.URL.JoinPath("api/v1/read")},
		Timeout:          model.Duration(timeout),
		HTTPClientConfig: s.HTTP,
		ChunkedReadLimit: maxFrame,
	})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", s.URL.Redacted(), err)
	}
	if c, ok := client.(*remote.Client); ok {
		c.Client.Transport = offering{bounded{c.Client.Transport}}
	}
	p := &Prometheus{slicer: newSlicer(1000), server: s, client: client}
	for _, matchers := range selectors.orAll() {
		q, err := remote.ToQuery(0, 0, matchers, nil)
		if err != nil {
			return nil, err
		}
		p.queries = append(p.queries, q)
		p.selectors = append(p.selectors, selectorText(matchers))
	}
	return p, nil
}

// Read implements Source. What types the metrics have comes first.
func (p *Prometheus) Read(ctx context.Context, span Span, do Append) error {
	types, err := p.types(ctx)
	if err != nil {
		p.server.logger().Warn("the types of the metrics are not known; counters are told by their names", "err", err)
	}
	if len(types) > 0 {
		if err := do(ctx, &foreshock.Batch{Metadata: types}); err != nil {
			return err
		}
	}
	if err := p.settle(ctx, span); err != nil {
		return err
	}
	if p.steps != nil {
		return p.read(ctx, span, p.steps.fetch, do)
	}
	return p.read(ctx, span, p.fetch, do)
}

// settle decides for query_range where the server refuses a remote read of nothing. What
// else may be wrong with the server shows when it is read from.
func (p *Prometheus) settle(ctx context.Context, span Span) error {
	if p.steps != nil {
		return nil
	}
	p.reset()
	refused := p.fetch(ctx, Span{span.From, span.From}, &p.slice)
	if !errors.Is(refused, errNotOffered) {
		return nil
	}
	steps, err := p.newSteps(ctx, span.To)
	if err != nil {
		return fmt.Errorf("read by query_range, as %w: %w", errNotOffered, err)
	}
	p.steps, p.grain = steps, steps.step
	p.server.logger().Warn("remote read is not offered; reading by query_range, which is less exact", "step", time.Duration(steps.step)*time.Millisecond, "err", refused)
	return nil
}

func (p *Prometheus) fetch(ctx context.Context, span Span, s *slice) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // or an answer not read to its end would keep its connection
	for _, q := range p.queries {
		q.StartTimestampMs, q.EndTimestampMs = span.From, span.To
		set, err := p.client.Read(ctx, q, false)
		if err != nil {
			return err
		}
		if err := s.addAll(set); err != nil {
			return err
		}
	}
	return nil
}

// types asks for what type each metric family has.
func (p *Prometheus) types(ctx context.Context) ([]foreshock.Metadata, error) {
	server, err := p.server.api()
	if err != nil {
		return nil, err
	}
	families, err := server.Metadata(ctx, "", "")
	if err != nil {
		return nil, err
	}
	var types []foreshock.Metadata
	for _, family := range slices.Sorted(maps.Keys(families)) {
		if said := families[family]; len(said) > 0 && said[0].Type != promv1.MetricTypeUnknown {
			types = append(types, foreshock.Metadata{Family: family, Type: model.MetricType(said[0].Type)})
		}
	}
	return types, nil
}
