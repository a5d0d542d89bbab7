package score

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
)

// Format is how scores are written.
type Format uint8

// CSV is timestamp,value,score,anomaly,expected,lower,upper, with a column series
// after the first where there are several; JSON is the same as an object a line.
const (
	CSV Format = iota
	JSON
)

// writer writes rows in one format.
type writer interface {
	row(r *row, answers []answer) error
	flush() error
}

func newWriter(f Format, w io.Writer, columns []string) writer {
	if f == JSON {
		b := bufio.NewWriter(w)
		lines := json.NewEncoder(b)
		lines.SetEscapeHTML(false)
		return &jsonWriter{b, lines, columns}
	}
	return newCSVWriter(w, columns)
}

// Digits that tell values apart without repeating a float64's last bit; a score is
// read by people.
const (
	valueDigits = 8
	scoreDigits = 4
)

type csvWriter struct {
	out     *csv.Writer
	columns []string
}

func newCSVWriter(w io.Writer, columns []string) *csvWriter {
	c := &csvWriter{csv.NewWriter(w), columns}
	header := []string{"timestamp", "value", "score", "anomaly", "expected", "lower", "upper"}
	if c.several() {
		header = slices.Insert(header, 1, "series")
	}
	_ = c.out.Write(header) // into its buffer: an error stays until flush
	return c
}

func (c *csvWriter) several() bool { return len(c.columns) > 1 }

func (c *csvWriter) row(r *row, answers []answer) error {
	record := make([]string, 0, 8)
	for i, a := range answers {
		record = append(record[:0], r.Time)
		if c.several() {
			record = append(record, c.columns[i])
		}
		record = append(record, r.Cells[i].Text)
		if a.known {
			record = append(record,
				digits(a.said.Score, scoreDigits), oneOrZero(a.marked),
				digits(a.said.Band.Expected, valueDigits), digits(a.said.Band.Lower, valueDigits), digits(a.said.Band.Upper, valueDigits))
		} else {
			record = append(record, "", "", "", "", "")
		}
		if err := c.out.Write(record); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvWriter) flush() error {
	c.out.Flush()
	return c.out.Error()
}

// digits writes v to so many significant digits, and what is not known as nothing.
func digits(v float64, n int) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', n, 64)
}

func oneOrZero(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// jsonLine is one value; null is what is missing, not scored or not yet known.
type jsonLine struct {
	Timestamp string  `json:"timestamp"`
	Series    string  `json:"series"`
	Value     *number `json:"value"`
	Score     *number `json:"score"`
	Anomaly   bool    `json:"anomaly"`
	Expected  *number `json:"expected"`
	Lower     *number `json:"lower"`
	Upper     *number `json:"upper"`
}

// number is a float64 as the CSV writes it.
type number string

func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func numberOf(v float64, n int) *number {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	text := number(digits(v, n))
	return &text
}

type jsonWriter struct {
	out     *bufio.Writer
	lines   *json.Encoder
	columns []string
}

func (j *jsonWriter) row(r *row, answers []answer) error {
	for i, a := range answers {
		// -1 is as many digits as the value needs, so that it reads as it was.
		line := jsonLine{Timestamp: r.Time, Series: j.columns[i], Value: numberOf(r.Cells[i].Value, -1)}
		if a.known {
			line.Score, line.Anomaly = numberOf(a.said.Score, scoreDigits), a.marked
			line.Expected = numberOf(a.said.Band.Expected, valueDigits)
			line.Lower, line.Upper = numberOf(a.said.Band.Lower, valueDigits), numberOf(a.said.Band.Upper, valueDigits)
		}
		if err := j.lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonWriter) flush() error { return j.out.Flush() }
