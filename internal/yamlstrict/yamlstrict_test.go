package yamlstrict

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

type inner struct {
	Count int      `yaml:"count"`
	Names []string `yaml:"names"`
}

// older reads itself as Prometheus's blocks do: over defaults, then judged.
type older struct {
	Timeout model.Duration    `yaml:"timeout"`
	Extra   map[string]string `yaml:",inline"`
}

func (o *older) UnmarshalYAML(unmarshal func(any) error) error {
	type plain older
	*o = older{Timeout: model.Duration(time.Minute)}
	if err := unmarshal((*plain)(o)); err != nil {
		return err
	}
	if o.Extra["password"] != "" {
		return errors.New("no password here")
	}
	return nil
}

// either is a number or a word.
type either struct {
	number int
	word   string
}

func (e *either) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&e.number) == nil {
		return nil
	}
	return unmarshal(&e.word)
}

type upper string

func (u *upper) UnmarshalText(text []byte) error {
	*u = upper(strings.ToUpper(string(text)))
	return nil
}

type chosen struct {
	a *inner
	b *older
}

func (c *chosen) Choose(keys []string) (any, error) {
	switch {
	case len(keys) == 0:
		return nil, errors.New("empty")
	case keys[0] == "count":
		c.a = new(inner)
		return c.a, nil
	default:
		c.b = new(older)
		return c.b, nil
	}
}

type everything struct {
	Text     string            `yaml:"text"`
	Yes      bool              `yaml:"yes"`
	Int      int               `yaml:"int"`
	Small    int8              `yaml:"small"`
	Uint     uint              `yaml:"uint"`
	Float    float64           `yaml:"float"`
	Duration time.Duration     `yaml:"duration"`
	Size     units.Base2Bytes  `yaml:"size"`
	Map      map[string]int    `yaml:"map"`
	Any      any               `yaml:"any"`
	Pointer  *inner            `yaml:"pointer"`
	Items    []inner           `yaml:"items"`
	Older    older             `yaml:"older"`
	Either   []either          `yaml:"either"`
	Uppers   []upper           `yaml:"uppers"`
	Chosen   []chosen          `yaml:"chosen"`
	URL      config.URL        `yaml:"url"`
	Secret   config.Secret     `yaml:"secret"`
	Labels   map[string]string `yaml:"labels"`
	Untagged string
	hidden   string
	Skipped  string `yaml:"-"`
	inner    `yaml:",inline"`
	Base     `yaml:",inline"`
}

// Base is inlined.
type Base struct {
	Based string `yaml:"based"`
}

func TestDecodes(t *testing.T) {
	got := everything{Text: "default", Int: 7, Map: map[string]int{"gone": 1}}
	f := Decode("x.yml", []byte(`
text: 12
yes: true
int:
small: -128
uint: 5
float: 1e-3
duration: 1d12h
size: 2MiB
map: {a: 1, "b c": 2}
any: [1, two]
pointer: &p {count: 3, names: [x, "y"]}
items: [*p, {<<: *p, count: 4}]
older: {b: c}
either: [1, one]
uppers: shout
chosen: [{count: 1}, {timeout: 5s}]
url: http://localhost:9090/
secret: hush
untagged: u
based: b
`), &got)
	if err := f.Mistakes().Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want any }{
		{got.Text, "12"},
		{got.Yes, true},
		{got.Int, 7}, // nothing behind the key leaves the default
		{got.Small, int8(-128)},
		{got.Uint, uint(5)},
		{got.Float, 1e-3},
		{got.Duration, 36 * time.Hour},
		{got.Size, 2 * units.MiB},
		{got.Map, map[string]int{"a": 1, "b c": 2}}, // replaces the default
		{got.Any, []any{1, "two"}},
		{*got.Pointer, inner{3, []string{"x", "y"}}},
		{got.Items, []inner{{3, []string{"x", "y"}}, {4, []string{"x", "y"}}}},
		{got.Older, older{model.Duration(time.Minute), map[string]string{"b": "c"}}},
		{got.Either, []either{{number: 1}, {word: "one"}}},
		{got.Uppers, []upper{"SHOUT"}},
		{*got.Chosen[0].a, inner{Count: 1}},
		{got.Chosen[1].b.Timeout, model.Duration(5 * time.Second)},
		{got.URL.String(), "http://localhost:9090/"},
		{string(got.Secret), "hush"},
		{got.Untagged, "u"},
		{got.Based, "b"},
	} {
		if fmt.Sprintf("%#v", c.got) != fmt.Sprintf("%#v", c.want) {
			t.Errorf("got %#v, want %#v", c.got, c.want)
		}
	}
}

// A file edited on Windows.
func TestByteOrderMarkAndCRLF(t *testing.T) {
	var into everything
	f := Decode("x.yml", []byte("\ufefftext: a\r\nint: 3\r\nmap:\r\n  a: x\r\n"), &into)
	if into.Text != "a" || into.Int != 3 {
		t.Errorf("got %q and %d", into.Text, into.Int)
	}
	if got, want := f.Mistakes().Error(), `x.yml:4:6: map.a: want a whole number, got "x"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKeys(t *testing.T) {
	for data, want := range map[string][]string{
		"b: 1\na: {c: 2}": {"b", "a"}, "": nil, "[a]": nil, "a: [": nil, "a: 1\na: 2": {"a"},
	} {
		if got := Keys([]byte(data)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", data, got, want)
		}
	}
}

func TestTellsEveryMistakeByPlace(t *testing.T) {
	var into everything
	f := Decode("x.yml", []byte(`txet: a
text: [a]
yes: maybe
small: 128
uint: -1
float: .nan
duration: soon
map: {a: one, a: 2}
pointer: {cuont: 3}
items: [{}, ~, {names: {}}]
older: {timeout: long}
either: [[]]
chosen: [{}, x]
url: "http://me:hunter2@host:port/"
secret: {a: hunter2}
hidden: x
Skipped: x
older: {}
size: 2 MB
`), &into)
	if into.hidden != "" || into.Skipped != "" {
		t.Error("decoded into a field that has no key")
	}
	f.Reject("older.timeout", "too long")
	f.Reject("items[2].names[3]", "not there")
	f.Reject("nowhere", "nowhere to be found")
	want := `x.yml:1:1: txet: unknown key, did you mean "text"?
x.yml:1:1: nowhere: nowhere to be found
x.yml:2:7: text: want a single value, got a list
x.yml:3:6: yes: want true or false, got "maybe"
x.yml:4:8: small: want a whole number, got "128"
x.yml:5:7: uint: want a whole number, not negative, got "-1"
x.yml:6:8: float: want a finite number, got ".nan"
x.yml:7:11: duration: want a duration such as 30s, 5m or 1d12h, got "soon"
x.yml:8:10: map.a: want a whole number, got "one"
x.yml:8:15: map.a: repeated, first on line 8
x.yml:9:11: pointer.cuont: unknown key, did you mean "count"?
x.yml:10:13: items[1]: an empty item
x.yml:10:24: items[2].names: want a list, got a mapping
x.yml:10:24: items[2].names[3]: not there
x.yml:11:18: older.timeout: want a duration such as 30s, 5m or 1d12h, got "long"
x.yml:11:18: older.timeout: too long
x.yml:12:10: either[0]: want a single value, got a list
x.yml:13:10: chosen[0]: empty
x.yml:13:14: chosen[1]: want a mapping, got a single value
x.yml:14:6: url: not a URL: invalid port ":port" after host
x.yml:15:9: secret: want a single value, got a mapping; text that begins with { needs quotes
x.yml:16:1: hidden: unknown key; want one of any, based, chosen, duration, either, float, int, items, labels, map, older, pointer, secret, size, small, text, uint, untagged, uppers, url, yes
x.yml:17:1: Skipped: unknown key; want one of any, based, chosen, duration, either, float, int, items, labels, map, older, pointer, secret, size, small, text, uint, untagged, uppers, url, yes
x.yml:18:1: older: repeated, first on line 11
x.yml:19:7: size: want a size such as 512KiB or 32MiB, got "2 MB"`
	if got := f.Mistakes().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Some of what a person writes is well formed and means something else than they think.
func TestTellsWhatWouldBeTakenOtherwise(t *testing.T) {
	for data, want := range map[string]string{
		"int: 1.5":                                           `x.yml:1:6: int: want a whole number, got "1.5"`,
		"duration: 101y":                                     `x.yml:1:11: duration: must be at most 100y, got "101y"`,
		"text: !!binary YQ==":                                `x.yml:1:7: text: unknown tag "!!binary"`,
		"items: !!set {a}":                                   `x.yml:1:8: items: unknown tag "!!set"`,
		"text: !!python/object:os.system ls":                 `x.yml:1:7: text: unknown tag "!!python/object:os.system"`,
		"duration: http://me:hunter2@host/":                  `x.yml:1:11: duration: want a duration such as 30s, 5m or 1d12h, got "http://…@host/"`,
		"# \n# x\ntext: a\x00":                               "x.yml:3:8: not YAML: control characters are not allowed",
		"text: a\n# \xff":                                    "x.yml:2:3: not YAML: invalid leading UTF-8 octet",
		"text: a\nitems:\n- count: 1\n   count: 2\nint: 1":   "x.yml:4:1: not YAML: mapping values are not allowed in this context",
		"text: a\nitems:\n- count: 1\n  b: 1\n c: 2\nint: 1": "x.yml:5:1: not YAML: did not find expected key",
		"text: a\nmap: {a: 1\n":                              "x.yml:2:1: not YAML: did not find expected ',' or '}'",
	} {
		var into everything
		if got := Decode("x.yml", []byte(data), &into).Mistakes().Error(); got != want {
			t.Errorf("%q: got\n%s\nwant\n%s", data, got, want)
		}
	}
	for _, data := range []string{"int: 1.0", "int: 1e3", "duration: 100y", "text: !!str 1", "\ufefftext: a\r\nint: 1\r\n", "\xff\xfet\x00e\x00x\x00t\x00:\x00 \x00a\x00"} {
		var into everything
		if got := Decode("x.yml", []byte(data), &into).Mistakes(); len(got) > 0 {
			t.Errorf("%q: got\n%s", data, got)
		}
	}
}

func TestSound(t *testing.T) {
	var into everything
	f := Decode("x.yml", []byte("items: [{}, {count: x}]\nitem: 1\nolder: {password: p}"), &into)
	for path, want := range map[string]bool{
		"items[0]": true, "items[1]": false, "items[1].count": false, "items[1].names": true, "items": false,
		"older": false, "older.timeout": false, "old": true, "pointer": true,
	} {
		if f.Sound(path) != want {
			t.Errorf("Sound(%s) = %t", path, !want)
		}
	}
}

// Bounds: each of these ends quickly, with a mistake and little memory.
func TestRefusesBombs(t *testing.T) {
	laughs := "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
	for i := range 12 {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, "key%d: x\n", i)
	}
	for name, c := range map[string]struct{ data, want string }{
		"billion laughs": {laughs, "more than 200000 values, its aliases expanded"},
		"deep lists":     {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested deeper than 64"},
		"deeper lists":   {strings.Repeat("[", MaxSize), "depth"},
		"deep indents":   {deepIndents(1000), "nested deeper than 64"},
		"endless alias":  {"any: &a [*a]", "nested deeper than 64"},
		"large":          {"#" + strings.Repeat("x", MaxSize), "larger than 1024 KiB"},
		"comments":       {strings.Repeat("#\n", MaxSize/2-8) + "nothing: 1", "unknown key"},
		"question marks": {strings.Repeat("? ", MaxSize/2), "depth"},
		"long key":       {strings.Repeat("k", 1000) + ": 1", "unknown key"},
		"many mistakes":  {many.String(), "19500 more mistakes"},
		"not UTF-8":      {"text: \xff\xfe", "not YAML"},
		"NUL":            {"text: a\x00b", "not YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			var into everything
			err := Decode("x.yml", []byte(c.data), &into).Mistakes().Err()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %.300v, want %s", err, c.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func deepIndents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestReadsRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("good"), []byte("a: b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("large"), make([]byte, MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("good"), at("link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		at("good"):    "",
		at("link"):    "",
		at("large"):   "larger than 1024 KiB",
		at("pipe"):    "not a regular file",
		dir:           "not a regular file",
		"/dev/zero":   "not a regular file",
		at("missing"): "no such file or directory",
	} {
		data, err := Read(path)
		if want == "" && (err != nil || string(data) != "a: b") {
			t.Errorf("%s: got %q, %v", path, data, err)
		} else if want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"select", "sensitivity", "min_deviation", "emit"}
	for name, want := range map[string]string{
		"slect": "select", "selcet": "select", "Select": "select", "selects": "select",
		"sensivity": "sensitivity", "emti": "emit",
		"x": "", "horizon": "", "": "", strings.Repeat("s", 100): "",
	} {
		if want != "" {
			want = fmt.Sprintf(", did you mean %q?", want)
		}
		if got := Suggest(name, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzDecode looks for input that panics, hangs, or is wrong without a place.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"text: a\nitems: [{count: 1}]\n", "a: &a [*a]", "{<<: {text: x}, text: y}", "<<: [{text: 1}, {int: 2}]",
		"older: {timeout: 5s, password: x}", "either: [1, a, []]", "chosen: [{count: 1}, {x: y}]", "uppers: [a, ~]",
		"? [a]\n: b", "text: !!binary YQ==", "int: !!int x", "map: {1: 2, ~: 3}", "%YAML 1.1\n---\ntext: a\n...\n",
		"yes: on\nfloat: 0x1p-2\nint: 0b11\nsmall: 1_0", "text: |\n  a\n  b\nlabels: {\"a.b\": c}", "\ufefftext: a",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var into everything
		began := time.Now()
		file := Decode("x.yml", data, &into)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
		for _, m := range file.Mistakes() {
			if m.File == "" || m.What == "" || m.Line < 0 || (m.Line > 0 && m.Column < 1) || strings.Contains(m.Error(), "\n") {
				t.Errorf("badly told: %#v", m)
			}
		}
	})
}
