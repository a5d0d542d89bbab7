package rca

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/cause"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What docs/causes.md promises of the shop's faults, with the onset as it was and a
// minute late, and better than what knows nothing of who depends on whom.
func TestShopFloors(t *testing.T) {
	r, err := Run(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]Row{}
	for _, x := range r.Rows {
		if x.Faults < 60 {
			t.Errorf("%s: %d faults, want 60 at least", x.Set, x.Faults)
		}
		if x.Late == 0 || x.Method == ours {
			rows[x.Method] = x
		}
		if x.Method == ours && (x.AC[0] < .75 || x.AC[2] < .92) {
			t.Errorf("onset %g s late: first %.2f, among three %.2f; want .75 and .92", x.Late, x.AC[0], x.AC[2])
		}
	}
	for _, other := range []string{"random", "largest z-score", "earliest onset"} {
		if rows[other].Faults == 0 || rows[other].AC[0] >= rows[ours].AC[0]-.1 {
			t.Errorf("%s finds %.2f, this %.2f: it is not worth having", other, rows[other].AC[0], rows[ours].AC[0])
		}
	}
	if len(r.Kinds) != 10 {
		t.Errorf("%d kinds of faults, want 10", len(r.Kinds))
	}
	for _, b := range r.Confidence {
		if b.Causes >= 20 && (b.Said < b.Were-.25 || b.Said > b.Were+.25) {
			t.Errorf("confidence %.2f–%.2f: said %.2f, were %.2f", b.From, b.To, b.Said, b.Were)
		}
	}
	for _, c := range r.cases {
		if c.confidence < .03 || c.confidence > .97 {
			t.Fatalf("confidence %g claims to be certain", c.confidence)
		}
	}
}

func TestShopIsTheSameTwice(t *testing.T) {
	f := &faults()[5]
	a, b := f.happens(5, 3), f.happens(5, 3)
	if a.truth != b.truth || fmt.Sprint(cause.Rank(a.question)) != fmt.Sprint(cause.Rank(b.question)) {
		t.Error("the same seed gave two answers")
	}
}

// A set as docs/causes.md describes it, of both kinds of graph.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, "causes", "tiny", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cases.json", `[{"id":"1","file":"a.csv","inject":60,"end":120,"graph":"list.csv","truth_service":"b"},
		{"id":"2","file":"a.csv","inject":60,"end":120,"graph":"matrix.csv","truth_service":"b"}]`)
	write("list.csv", "Source,Target,Weight\na,b,1\nb,elsewhere,1\n")
	write("matrix.csv", ",a,b\na,0.0,1.0\nb,0.0,0.0\n")
	write("data/a.csv.gz", gzipped(t, "time,a|latency|p99,__front__|latency,b|CpuUsage\n0,1,2,3\n60,,2,4\n"))
	sets, err := load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range sets[0].incidents {
		q := in.question
		if len(q.Candidates) != 2 || q.Candidates[1].Place != "b" || !reflect.DeepEqual(q.Edges, []cause.Edge{{From: 0, To: 1}}) {
			t.Errorf("case %s: places %d, edges %v", in.id, len(q.Candidates), q.Edges)
		}
		if q.Onset != 60_000 || q.Until != 180_000 {
			t.Errorf("case %s: onset %d until %d", in.id, q.Onset, q.Until)
		}
	}

	write("matrix.csv", "nothing\n")
	if _, err := load(dir, nil); err == nil || !strings.Contains(err.Error(), "matrix.csv: no rows") {
		t.Errorf("a table without rows: %v", err)
	}
	if _, err := load(t.TempDir(), nil); err == nil {
		t.Error("a folder without sets is none")
	}
}

func TestTable(t *testing.T) {
	r := &Report{Rows: []Row{{Set: "shop", Method: ours, Late: 60, Faults: 4, AC: [cause.Told]float64{.25, .5, .75, 1, 1}, Avg: .7}}}
	var text, object bytes.Buffer
	if err := r.Table(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.JSON(&object); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "| 60 s late  | foreshock  | 0.25  | 0.75  | 1.00  | 0.70   |") {
		t.Errorf("table:\n%s", text.String())
	}
	if !strings.Contains(object.String(), `"assumed_onset_late_seconds": 60`) {
		t.Errorf("object:\n%s", object.String())
	}
}

// As a stream: a fault is found only by an incident that began with it, one from before it is a
// false alarm, and the learning hour counts for nothing.
func TestStreamIsJudged(t *testing.T) {
	begin := shopStarts
	at := func(minutes int64) int64 { return begin + minutes*60_000 }
	q := cause.Question{Onset: at(180), Until: at(190), Candidates: []cause.Candidate{{
		Place: "a", Series: []cause.Series{{T: []int64{begin, at(300)}, V: []float64{1, 1}}},
	}}}
	told := []foreshock.Incident{
		{StartsAt: at(30)},
		{StartsAt: at(90), Inquest: foreshock.Inquest{Causes: []foreshock.Cause{{Place: "a"}}}},
		{StartsAt: at(182), Inquest: foreshock.Inquest{Causes: []foreshock.Cause{{Place: "b"}, {Place: "a"}}}},
	}
	var s Stream
	quiet, alarms := s.judge([]incident{{truth: "a", question: q}}, told)
	if s.Found != 1 || s.One != 1 || s.First != 0 || s.Three != 1 || alarms != 1 {
		t.Errorf("%+v, %d false", s, alarms)
	}
	if want := (240 - 16) * time.Minute; quiet != want {
		t.Errorf("quiet for %s, want %s", quiet, want)
	}
}
