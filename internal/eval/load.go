package eval

import (
	"bufio"
	"bytes"
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
	"time"
)

// stream is what is labelled as one: a series, or all series of a machine.
type stream struct {
	name     string
	interval time.Duration // usual, between rows
	times    []int64       // ms, by row, as recorded: they may repeat or fall
	values   [][]float64   // by series, then row; NaN where missing
	from     int           // the first row that counts: before it methods may learn
	events   []span        // labelled, in order; all at or after from, but NAB's windows
}

// span is a range of rows, both ends included.
type span struct{ first, last int }

// days is how long the part that counts lasts.
func (s *stream) days() float64 {
	return float64(len(s.times)-s.from) * s.interval.Hours() / 24
}

// samples is how many values there are.
func (s *stream) samples() int {
	n := 0
	for _, series := range s.values {
		for _, v := range series {
			if !math.IsNaN(v) {
				n++
			}
		}
	}
	return n
}

// set is a collection of streams in one folder.
type set struct {
	name    string
	windows bool // labelled by windows and judged by NAB's rule
}

// benchmark is the folder that is NAB's.
const benchmark = "nab"

// find lists the sets in the folder dir, by name: NAB's, and all that have a folder of
// their own in series.
func find(dir string) ([]set, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	var found []set
	if _, err := os.Stat(filepath.Join(dir, benchmark, "windows.json")); err == nil {
		found = append(found, set{name: benchmark, windows: true})
	}
	metas, err := filepath.Glob(filepath.Join(dir, "series", "*", "meta.json"))
	if err != nil {
		return nil, err
	}
	for _, meta := range metas {
		found = append(found, set{name: filepath.Base(filepath.Dir(meta))})
	}
	if found == nil {
		return nil, fmt.Errorf("%s holds no set: neither %s nor %s: %w", dir,
			filepath.Join(benchmark, "windows.json"), filepath.Join("series", "<name>", "meta.json"), fs.ErrNotExist)
	}
	return found, nil
}

// chosen are the sets of the given names, or all of found where none is given.
func chosen(found []set, names []string) ([]set, error) {
	if len(names) == 0 {
		return found, nil
	}
	var some []set
	for _, name := range names {
		i := slices.IndexFunc(found, func(s set) bool { return s.name == name })
		if i < 0 {
			var have []string
			for _, s := range found {
				have = append(have, s.name)
			}
			return nil, fmt.Errorf("no set is called %q; there are %s: %w", name, strings.Join(have, ", "), fs.ErrNotExist)
		}
		some = append(some, found[i])
	}
	return some, nil
}

// load reads the set's streams from dir/nab or dir/series/<name>, by name.
func (s set) load(dir string) ([]*stream, error) {
	read := loadSeries
	at := filepath.Join(dir, "series", s.name)
	if s.windows {
		read = loadNAB
		at = filepath.Join(dir, s.name)
	}
	streams, err := read(at)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", s.name, err)
	}
	return streams, nil
}

// foreseeable reports whether forecasts of the stream are worth measuring: it is a
// machine, whose series are processors, memory and the like, by five minutes or less.
func (s *stream) foreseeable() bool { return len(s.values) > 1 && s.interval <= 5*time.Minute }

// loadSeries reads a folder of meta.json, data/*.csv.gz and labels/*.csv.gz.
func loadSeries(dir string) ([]*stream, error) {
	var meta map[string]struct {
		Interval  int64 `json:"interval"`   // s
		ScoreFrom int64 `json:"score_from"` // Unix s
	}
	if err := readJSON(filepath.Join(dir, "meta.json"), &meta); err != nil {
		return nil, err
	}
	var streams []*stream
	for name, m := range meta {
		s := &stream{name: name, interval: time.Duration(m.Interval) * time.Second}
		var err error
		if s.times, s.values, err = readTable(filepath.Join(dir, "data", name+".csv.gz")); err != nil {
			return nil, err
		}
		s.from = slices.IndexFunc(s.times, func(t int64) bool { return t >= m.ScoreFrom*1000 })
		times, labels, err := readTable(filepath.Join(dir, "labels", name+".csv.gz"))
		if err != nil {
			return nil, err
		}
		if s.from < 0 || !slices.Equal(times, s.times[s.from:]) || len(labels) != 1 {
			return nil, fmt.Errorf("%s: want a label for each row from score_from %d on", name, m.ScoreFrom)
		}
		for i, label := range labels[0] {
			if label == 0 {
				continue
			}
			row := s.from + i
			if n := len(s.events); n > 0 && s.events[n-1].last == row-1 {
				s.events[n-1].last = row
			} else {
				s.events = append(s.events, span{row, row})
			}
		}
		streams = append(streams, s)
	}
	byName(streams)
	return streams, nil
}

// loadNAB reads a folder of windows.json and data/<group>/*.csv.gz. What NAB calls
// the probationary period is learned from and not judged: 15 % of a file, counting
// no more than 5 000 rows of it.
func loadNAB(dir string) ([]*stream, error) {
	var windows map[string][][2]string
	if err := readJSON(filepath.Join(dir, "windows.json"), &windows); err != nil {
		return nil, err
	}
	var streams []*stream
	for name, within := range windows {
		s := &stream{name: name}
		var err error
		if s.times, s.values, err = readTable(filepath.Join(dir, "data", filepath.FromSlash(name)+".gz")); err != nil {
			return nil, err
		}
		if len(s.times) < 2 {
			return nil, fmt.Errorf("%s: want at least two rows, got %d", name, len(s.times))
		}
		s.interval = usual(s.times)
		s.from = 15 * min(len(s.times), 5000) / 100
		for _, w := range within {
			first, err := parseTime(w[0])
			if err != nil {
				return nil, fmt.Errorf("%s: window: %w", name, err)
			}
			last, err := parseTime(w[1])
			if err != nil {
				return nil, fmt.Errorf("%s: window: %w", name, err)
			}
			e := span{first: slices.Index(s.times, first), last: slices.Index(s.times, last)}
			if e.first < 0 || e.last <= e.first {
				return nil, fmt.Errorf("%s: window %s to %s: no such rows", name, w[0], w[1])
			}
			s.events = append(s.events, e)
		}
		streams = append(streams, s)
	}
	byName(streams)
	return streams, nil
}

func byName(streams []*stream) {
	slices.SortFunc(streams, func(a, b *stream) int { return strings.Compare(a.name, b.name) })
}

// usual is the median time between rows.
func usual(times []int64) time.Duration {
	steps := make([]int64, len(times)-1)
	for i := range steps {
		steps[i] = times[i+1] - times[i]
	}
	slices.Sort(steps)
	return time.Duration(steps[len(steps)/2]) * time.Millisecond
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// readTable reads a gzipped CSV of a header, a column of times and columns of
// numbers, and returns the times in ms and the numbers by column.
func readTable(path string) (times []int64, columns [][]float64, err error) {
	f, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(f))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	r := csv.NewReader(bufio.NewReaderSize(z, 1<<16))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: header: %w", path, err)
	}
	columns = make([][]float64, len(header)-1)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return times, columns, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", path, err)
		}
		line, _ := r.FieldPos(0)
		t, err := parseTime(record[0])
		if err != nil {
			return nil, nil, fmt.Errorf("read %s:%d: %w", path, line, err)
		}
		times = append(times, t)
		for i, cell := range record[1:] {
			v := math.NaN()
			if cell != "" {
				if v, err = strconv.ParseFloat(cell, 64); err != nil {
					return nil, nil, fmt.Errorf("read %s:%d: %w", path, line, err)
				}
			}
			columns[i] = append(columns[i], v)
		}
	}
}

// parseTime reads Unix seconds, or a date and time in UTC, as ms since the epoch.
func parseTime(text string) (int64, error) {
	if s, err := strconv.ParseInt(text, 10, 64); err == nil {
		return s * 1000, nil
	}
	at, err := time.Parse(time.DateTime, text) // takes a fraction too
	if err != nil {
		return 0, err
	}
	return at.UnixMilli(), nil
}
