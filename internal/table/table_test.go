package table

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func rows(name, text string) (string, error) {
	in, err := Open(name, strings.NewReader(text))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s;", strings.Join(in.Columns, ","))
	for {
		r, err := in.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, " %d:%d", r.Line, r.T)
		for _, c := range r.Cells {
			fmt.Fprintf(&b, ",%v", c.Value)
		}
	}
}

func TestTablesPeopleHave(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"RFC 3339", "timestamp,value\n2026-03-01T12:00:00Z,50\n2026-03-01T13:01:00.25+01:00,51\n", "value; 2:1772366400000,50 3:1772366460250,51"},
		{"seconds", "1772366400,50\n1772366460.5,51\n", "v1; 1:1772366400000,50 2:1772366460500,51"},
		{"milliseconds", "1772366400000,50\n1772366460500,51", "v1; 1:1772366400000,50 2:1772366460500,51"},
		{"from zero", "0,1\n60,2", "v1; 1:0,1 2:60000,2"},
		{"a spreadsheet's", "2026-03-01 12:00:00,50", "v1; 1:1772366400000,50"},
		{"Windows", "\ufefftime,value\r\n0,1\r\n60,2\r\n", "value; 2:0,1 3:60000,2"},
		{"blank lines and comments", "# made by hand\n\ntime,cpu\n\n0,1\n  \n# later\n60,2\n", "cpu; 5:0,1 8:60000,2"},
		{"quotes and spaces", "time,\"a, b\"\n\"0\", 1 \n 60 ,\"2\"", "a, b; 2:0,1 3:60000,2"},
		{"missing", "t,a,b\n0,,NaN\n1,1,nan\n2,+Inf,3", "a,b; 2:0,NaN,NaN 3:1000,1,NaN 4:2000,NaN,3"},
		{"missing in the first row", "0,\n1,2", "v1; 1:0,NaN 2:1000,2"},
		{"unnamed column", "t,a,\n0,1,2", "a,v2; 2:0,1,2"},
		{"header only", "t,a\n", "a;"},
	} {
		got, err := rows("f.csv", c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: %s, error %v; want %s", c.name, got, err, c.want)
		}
	}
}

func TestMistakesSayWhereAndHowToMendThem(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "f.csv: no rows; want lines of timestamp,value"},
		{"# nothing\n", "f.csv: no rows; want lines of timestamp,value"},
		{"12;5\n", "f.csv:1: one column; want timestamp,value with a comma between them"},
		{"yesterday,5\n", `f.csv:1: timestamp "yesterday": want RFC 3339, such as 2026-03-01T12:00:00Z, or Unix seconds or milliseconds`},
		{"t,a\n0,1\n60,2,3\n", "f.csv:3: 3 columns where the first line has 2; leave a missing value empty, between commas"},
		{"t,a\n0,1\n60,2k\n", `f.csv:3: a "2k": want a number, or nothing where it is missing`},
		{"t,a\n0,1e999\n", `f.csv:2: a "1e999": want a number, or nothing where it is missing`},
		{"t,a,a\n0,1,2\n", `f.csv:1: two columns are named "a"; rename one`},
		{"0,1\n2026-03-01T12:00:00Z,2\n", `f.csv:2: timestamp "2026-03-01T12:00:00Z": the file began with Unix seconds; write all timestamps alike`},
		{"1772366400,1\n1772366460000,2\n", `f.csv:2: timestamp "1772366460000": as Unix seconds not within the years 1 to 5138; want seconds or milliseconds, all alike`},
		{"-99999999999,1\n", `f.csv:1: timestamp "-99999999999": as Unix seconds not within the years 1 to 5138; want seconds or milliseconds, all alike`},
		{"1772366400000000000,1\n", `f.csv:1: timestamp "1772366400000000000": neither seconds nor milliseconds; divide micro- or nanoseconds until it is`},
		{"t,a\n0,\"1\n", `f.csv:2: extraneous or missing " in quoted-field; write "" for a quote within quotes`},
	} {
		_, err := rows("f.csv", c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func FuzzTable(f *testing.F) {
	f.Add("t,a\n0,1\n60,2\n")
	f.Add("\ufeff2026-03-01T12:00:00Z,50,\r\n# x\r\n")
	f.Add("\"0\",\"1\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		in, err := Open("f.csv", strings.NewReader(text))
		if err != nil {
			return
		}
		for {
			r, err := in.Next()
			if err != nil {
				return
			}
			if len(r.Cells) != len(in.Columns) || r.T < earliest || r.T >= leastMicroseconds {
				t.Errorf("line %d: %d cells at %d", r.Line, len(r.Cells), r.T)
			}
		}
	})
}
