package query

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/common/version"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/foreshock/foreshock/internal/api"
)

// Engine is the version of Prometheus whose engine and API these are: what asks for the
// build, as Grafana does, wants to know what it can ask.
const Engine = "3.15.0"

// paths are those of Prometheus's API, below /api/v1, that are answered by Prometheus's
// own handlers.
var paths = []string{
	"/query", "/query_range", "/format_query", "/parse_query", "/series", "/labels", "/label/{name}/values", "/status/buildinfo",
}

// families is what is answered here in Prometheus's place.
var families = api.Operation{
	Pattern: "GET /api/v1/metadata", Summary: "The types of metrics, as senders told them.", Answer: map[string][]metadata.Metadata{},
	Query: []api.Parameter{
		{Name: "metric", About: "of this one only"},
		{Name: "limit", About: "of how many at most; all where left out", Number: &api.Range{Most: math.MaxInt32, Usual: math.NaN(), Whole: true}},
	},
}

// Operations are those that API answers and Prometheus's own description has not as they are.
func Operations() []api.Operation { return []api.Operation{families} }

// API answers what of Prometheus's HTTP API can be.
func (q *Query) API() *api.Mux {
	router := route.New()
	q.prometheus().Register(router.WithPrefix("/api/v1"))
	mux := new(api.Mux)
	for _, p := range paths {
		mux.Handle("/api/v1"+p, q.inTurn(router))
	}
	mux.Handle(families.Pattern, q.inTurn(http.HandlerFunc(q.metadata)))
	return mux
}

// prometheus is Prometheus's API without what a Prometheus has beside its storage:
// nothing of that is asked for at paths.
func (q *Query) prometheus() *v1.API {
	build := v1.PrometheusVersion{
		Version: Engine, Revision: version.Revision, Branch: version.Branch,
		BuildUser: version.BuildUser, BuildDate: version.BuildDate, GoVersion: version.GoVersion,
	}
	return v1.NewAPI(q, readable{q}, nil, nil, nil, nil, nil, nil, nil, nil, v1.GlobalURLOptions{},
		func(f http.HandlerFunc) http.HandlerFunc { return f },
		nil, "", false, false, 0, q.o.Logger, nil, 0, 0, 0, false,
		regexp.MustCompile("^$"), // no other origin
		nil, &build, nil, nil, nil, nil, nil, false, nil, false, false, false, false, 0, false, false,
		nil, nil, v1.OpenAPIOptions{}, q.parser)
}

// readable is a Query as the API wants it: it asks for chunks in remote reads only.
type readable struct{ *Query }

func (r readable) ChunkQuerier(int64, int64) (storage.ChunkQuerier, error) {
	return storage.NoopChunkedQuerier(), nil
}

// inTurn lets as many requests in as the configuration says. The others wait, and are
// refused when that takes longer than a query may.
func (q *Query) inTurn(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := q.served.Load()
		ctx, cancel := context.WithTimeout(r.Context(), time.Duration(s.config.Timeout))
		defer cancel()
		select {
		case s.turns <- struct{}{}:
			defer func() { <-s.turns }()
			h.ServeHTTP(w, r.WithContext(ctx))
		case <-ctx.Done():
			api.Refuse(w, http.StatusServiceUnavailable, "too many queries at once; query.max_concurrency says how many may be")
		}
	})
}

func (q *Query) types(ctx context.Context) (map[string]model.MetricType, error) {
	if q.o.Types == nil {
		return nil, nil
	}
	return q.o.Types(ctx)
}

// metadata answers ?metric=NAME&limit=N: the types of metric families. Nobody sends help
// and units with the samples for every protocol, so there are none.
func (q *Query) metadata(w http.ResponseWriter, r *http.Request) {
	types, err := q.types(r.Context())
	if err != nil {
		api.Refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	limit := len(types)
	if text := r.FormValue("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil {
			api.Refuse(w, http.StatusBadRequest, fmt.Sprintf("limit: must be a number, got %q", text))
			return
		}
	}
	metric := r.FormValue("metric")
	told := map[string][]metadata.Metadata{}
	for _, family := range slices.Sorted(maps.Keys(types)) {
		if metric != "" && metric != family {
			continue
		}
		if limit >= 0 && len(told) >= limit {
			break
		}
		told[family] = []metadata.Metadata{{Type: model.MetricType(types[family])}}
	}
	_ = api.Answer(w, told) // strings cannot fail
}
