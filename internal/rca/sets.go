package rca

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock/incident/cause"
)

// labelled is one incident as cases.json has it; times are Unix seconds.
type labelled struct {
	ID     string `json:"id"`
	File   string `json:"file"`
	Inject int64  `json:"inject"`
	End    int64  `json:"end"`
	Graph  string `json:"graph"`

	// QuietUntil and QuietFrom are before and from when on nothing is wrong, where the set
	// says so: between them more may be than what is listed.
	QuietUntil int64 `json:"quiet_until"`
	QuietFrom  int64 `json:"quiet_from"`

	Truth string `json:"truth_service"`
	Fault string `json:"truth_fault"`
}

// afterwards is how long after a fault's end samples still tell of it: they are of the
// minute before.
const afterwards = 60 // s

// load reads the sets of the folder dir/causes, or only those that are named.
func load(dir string, only []string) ([]set, error) {
	names, err := filepath.Glob(filepath.Join(dir, "causes", "*", "cases.json"))
	if err != nil {
		return nil, fmt.Errorf("look for sets in %s: %w", dir, err)
	}
	var sets []set
	for _, path := range names {
		name := filepath.Base(filepath.Dir(path))
		if len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		s, err := loadSet(filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		sets = append(sets, s)
	}
	if sets == nil {
		return nil, fmt.Errorf("%s holds no labelled incidents: no causes/*/cases.json: %w", dir, fs.ErrNotExist)
	}
	return sets, nil
}

func loadSet(dir string) (set, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		return set{}, err
	}
	var cases []labelled
	if err := json.Unmarshal(b, &cases); err != nil {
		return set{}, fmt.Errorf("cases.json: %w", err)
	}
	s := set{name: filepath.Base(dir)}
	streams, graphs := map[string][]cause.Candidate{}, map[string][][2]string{}
	for _, c := range cases {
		if streams[c.File] == nil {
			if streams[c.File], err = readStream(filepath.Join(dir, "data", c.File+".gz")); err != nil {
				return set{}, err
			}
		}
		if graphs[c.Graph] == nil {
			if graphs[c.Graph], err = readGraph(filepath.Join(dir, c.Graph)); err != nil {
				return set{}, err
			}
		}
		q := cause.Question{Onset: c.Inject * 1000, Until: (c.End + afterwards) * 1000, Candidates: streams[c.File]}
		q.Edges = edges(q.Candidates, graphs[c.Graph])
		s.incidents = append(s.incidents, incident{id: c.ID, fault: c.Fault, truth: c.Truth, question: q, began: q.Onset, quietUntil: c.QuietUntil * 1000, quietFrom: c.QuietFrom * 1000})
	}
	return s, nil
}

// edges are those of the graph whose ends are candidates.
func edges(candidates []cause.Candidate, graph [][2]string) []cause.Edge {
	at := map[string]int{}
	for i, c := range candidates {
		at[c.Place] = i
	}
	var all []cause.Edge
	for _, e := range graph {
		from, known := at[e[0]]
		to, too := at[e[1]]
		if known && too {
			all = append(all, cause.Edge{From: from, To: to})
		}
	}
	return all
}

// readStream reads a table of time, s, and series named place|metric or
// place|metric|aggregate. A place in underscores is a view of the whole, not a place.
func readStream(path string) ([]cause.Candidate, error) {
	rows, err := readTable(path)
	if err != nil {
		return nil, err
	}
	times := make([]int64, len(rows)-1)
	for i, row := range rows[1:] {
		t, err := strconv.ParseFloat(row[0], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", path, i+2, err)
		}
		times[i] = int64(t) * 1000
	}
	var all []cause.Candidate
	at := map[string]int{}
	for column, title := range rows[0] {
		place, metric, ok := strings.Cut(title, "|")
		if column == 0 || strings.HasPrefix(place, "__") {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("%s: column %q is no place|metric", path, title)
		}
		values := make([]float64, len(times))
		for i, row := range rows[1:] {
			values[i] = math.NaN()
			if row[column] == "" {
				continue
			}
			if values[i], err = strconv.ParseFloat(row[column], 64); err != nil {
				return nil, fmt.Errorf("%s: row %d: %w", path, i+2, err)
			}
		}
		k, known := at[place]
		if !known {
			k = len(all)
			at[place] = k
			all = append(all, cause.Candidate{Place: place})
		}
		name, _, _ := strings.Cut(metric, "|")
		all[k].Series = append(all[k].Series, cause.Series{Name: name, Title: metric, T: times, V: values})
	}
	return all, nil
}

// readGraph reads who calls whom: a list with the columns Source and Target, or a matrix
// of ones whose rows call its columns.
func readGraph(path string) ([][2]string, error) {
	rows, err := readTable(path)
	if err != nil {
		return nil, err
	}
	calls := [][2]string{}
	for _, row := range rows[1:] {
		if rows[0][0] == "Source" {
			calls = append(calls, [2]string{row[0], row[1]})
			continue
		}
		for i, v := range row[1:] {
			if x, err := strconv.ParseFloat(v, 64); err == nil && x != 0 {
				calls = append(calls, [2]string{row[0], rows[0][i+1]})
			}
		}
	}
	return calls, nil
}

// readTable reads a CSV file with a header, gzipped if its name says so.
func readTable(path string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	rows, err := csv.NewReader(r).ReadAll()
	if err == nil && len(rows) < 2 {
		err = errors.New("no rows")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}
