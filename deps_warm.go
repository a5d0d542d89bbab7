package foreshock

import (
	_ "github.com/prometheus/prometheus/model/labels"
	_ "github.com/prometheus/prometheus/model/relabel"
	_ "github.com/prometheus/prometheus/model/histogram"
	_ "github.com/prometheus/prometheus/model/value"
	_ "github.com/prometheus/prometheus/promql/parser"
	_ "github.com/prometheus/prometheus/tsdb/chunkenc"
	_ "github.com/prometheus/prometheus/tsdb/wlog"
	_ "github.com/prometheus/prometheus/storage/remote"
	_ "github.com/prometheus/prometheus/notifier"
	_ "github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/file"
	_ "github.com/prometheus/prometheus/discovery/http"
	_ "github.com/prometheus/prometheus/discovery/dns"
	_ "github.com/prometheus/prometheus/prompb"
	_ "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	_ "github.com/prometheus/exporter-toolkit/web"
	_ "github.com/prometheus/common/promslog"
	_ "github.com/prometheus/common/config"
	_ "github.com/prometheus/common/version"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/alecthomas/kingpin/v2"
	_ "github.com/golang/snappy"
	_ "go.yaml.in/yaml/v3"
	_ "github.com/cespare/xxhash/v2"
)

import (
	_ "go.uber.org/goleak"
	_ "gonum.org/v1/gonum/stat"
	_ "gonum.org/v1/plot"
	_ "gonum.org/v1/plot/plotter"
	_ "gonum.org/v1/plot/vg/vgimg"
	_ "gonum.org/v1/plot/vg/vgsvg"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/prometheus/client_golang/prometheus/collectors"
	_ "golang.org/x/sync/errgroup"
	_ "github.com/gogo/protobuf/proto"

)

import _ "go.yaml.in/yaml/v2"
