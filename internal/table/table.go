// Package table reads the CSV files people have of their numbers: a timestamp and one
// or more values a line, with whatever says what is wrong and where. It reads a row at
// a time and keeps none.
package table

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

// Row is one line of the input.
type Row struct {
	Line  int
	Time  string // as given
	T     int64  // ms
	Cells []Cell // one a column
}

// Cell is one value. A missing one has NaN for its value; so have infinities, which
// no model can learn.
type Cell struct {
	Text  string // as given
	Value float64
}

// Table reads rows of a timestamp and one or more values: RFC 4180, with a header
// or without. Lines that are empty or begin with # are passed over, and so is a
// byte order mark.
type Table struct {
	Columns []string // their names, without the timestamp's

	name    string
	in      *csv.Reader
	clock   clock
	pending *Row // the first row, where there was no header
}

// Open reads as far as it needs to know the columns. name is for messages.
func Open(name string, r io.Reader) (*Table, error) {
	br := bufio.NewReader(r)
	if mark, _ := br.Peek(3); string(mark) == "\ufeff" {
		_, _ = br.Discard(3) // just peeked
	}
	t := &Table{name: name, in: csv.NewReader(br)}
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
			t.Columns = append(t.Columns, fmt.Sprintf("v%d", i+1))
		}
		t.pending, err = t.parse(record, line)
		return t, err
	}
	for i, name := range record[1:] {
		name = strings.TrimSpace(name)
		if name == "" {
			name = fmt.Sprintf("v%d", i+1)
		}
		if slices.Contains(t.Columns, name) {
			return nil, fmt.Errorf("%s:%d: two columns are named %q; rename one", t.name, line, name)
		}
		t.Columns = append(t.Columns, name)
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

// Next returns the next row, or io.EOF. Its rows need not be in the order of time.
func (t *Table) Next() (*Row, error) {
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
func (t *Table) record() ([]string, int, error) {
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

func (t *Table) parse(record []string, line int) (*Row, error) {
	if got, want := len(record), 1+len(t.Columns); got != want {
		return nil, fmt.Errorf("%s:%d: %d columns where the first line has %d; leave a missing value empty, between commas", t.name, line, got, want)
	}
	r := &Row{Line: line, Time: strings.TrimSpace(record[0]), Cells: make([]Cell, len(t.Columns))}
	var err error
	if r.T, err = t.clock.read(r.Time); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", t.name, line, err)
	}
	for i, field := range record[1:] {
		c := Cell{Text: strings.TrimSpace(field), Value: math.NaN()}
		if c.Text != "" {
			if c.Value, err = strconv.ParseFloat(c.Text, 64); err != nil {
				return nil, fmt.Errorf("%s:%d: %s %q: want a number, or nothing where it is missing", t.name, line, t.Columns[i], c.Text)
			}
		}
		if math.IsInf(c.Value, 0) {
			c.Value = math.NaN()
		}
		r.Cells[i] = c
	}
	return r, nil
}
