package score

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxColumns is how many series one file may hold: all samples of a row wait in
// memory together.
const maxColumns = 10_000

// row is one line of the input.
type row struct {
	line  int
	time  string // as given
	t     int64  // ms
	cells []cell // one a column

	unscored bool // not newer than a row before it
}

// cell is one value. A missing one has NaN for its value; so have infinities, which
// no model can learn.
type cell struct {
	text  string // as given
	value float64
}

// table reads rows of a timestamp and one or more values: RFC 4180, with a header
// or without. Lines that are empty or begin with # are passed over, and so is a
// byte order mark.
type table struct {
	name    string
	in      *csv.Reader
	clock   clock
	columns []string
	pending *row // the first row, where there was no header
}

// openTable reads as far as it needs to know the columns.
func openTable(name string, r io.Reader) (*table, error) {
	br := bufio.NewReader(r)
	if mark, _ := br.Peek(3); string(mark) == "\ufeff" {
		_, _ = br.Discard(3) // just peeked
	}
	t := &table{name: name, in: csv.NewReader(br)}
	t.in.Comment = '#'
	t.in.TrimLeadingSpace = true
	t.in.FieldsPerRecord = -1 // checked here, to say how it should be
	t.in.ReuseRecord = true

	record, line, err := t.record()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: no rows; want lines of timestamp,value", name)
	}
	if err != nil {
		return nil, err
	}
	switch n := len(record); {
	case n < 2:
		return nil, fmt.Errorf("%s:%d: one column; want timestamp,value with a comma between them", name, line)
	case n-1 > maxColumns:
		return nil, fmt.Errorf("%s:%d: %d value columns; want at most %d", name, line, n-1, maxColumns)
	}
	if !isHeader(record) {
		for i := range record[1:] {
			t.columns = append(t.columns, fmt.Sprintf("v%d", i+1))
		}
		t.pending, err = t.parse(record, line)
		return t, err
	}
	for i, name := range record[1:] {
		name = strings.TrimSpace(name)
		if name == "" {
			name = fmt.Sprintf("v%d", i+1)
		}
		if slices.Contains(t.columns, name) {
			return nil, fmt.Errorf("%s:%d: two columns are named %q; rename one", t.name, line, name)
		}
		t.columns = append(t.columns, name)
	}
	return t, nil
}

// isHeader reports whether a file's first record names the columns: nothing in it
// is a timestamp or a number.
func isHeader(record []string) bool {
	if _, _, err := parseTime(strings.TrimSpace(record[0])); err == nil {
		return false
	}
	return !slices.ContainsFunc(record[1:], func(field string) bool {
		_, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		return err == nil
	})
}

// next returns the next row, or io.EOF.
func (t *table) next() (*row, error) {
	if r := t.pending; r != nil {
		t.pending = nil
		return r, nil
	}
	record, line, err := t.record()
	if err != nil {
		return nil, err
	}
	return t.parse(record, line)
}

// record returns the next line's fields and its number in the file.
func (t *table) record() ([]string, int, error) {
	for {
		record, err := t.in.Read()
		var bad *csv.ParseError
		switch {
		case errors.As(err, &bad):
			return nil, 0, fmt.Errorf("%s:%d: %w; write \"\" for a quote within quotes", t.name, bad.Line, bad.Err)
		case errors.Is(err, io.EOF):
			return nil, 0, io.EOF
		case err != nil:
			return nil, 0, fmt.Errorf("read %s: %w", t.name, err)
		}
		if len(record) > 1 || strings.TrimSpace(record[0]) != "" {
			line, _ := t.in.FieldPos(0)
			return record, line, nil
		}
	}
}

func (t *table) parse(record []string, line int) (*row, error) {
	if got, want := len(record), 1+len(t.columns); got != want {
		return nil, fmt.Errorf("%s:%d: %d columns where the first line has %d; leave a missing value empty, between commas", t.name, line, got, want)
	}
	r := &row{line: line, time: strings.TrimSpace(record[0]), cells: make([]cell, len(t.columns))}
	var err error
	if r.t, err = t.clock.read(r.time); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", t.name, line, err)
	}
	for i, field := range record[1:] {
		c := cell{text: strings.TrimSpace(field), value: math.NaN()}
		if c.text != "" {
			if c.value, err = strconv.ParseFloat(c.text, 64); err != nil {
				return nil, fmt.Errorf("%s:%d: %s %q: want a number, or nothing where it is missing", t.name, line, t.columns[i], c.text)
			}
		}
		if math.IsInf(c.value, 0) {
			c.value = math.NaN()
		}
		r.cells[i] = c
	}
	return r, nil
}
