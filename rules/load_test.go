package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// Every preset must be right, or no configuration that names it starts.
func TestPresets(t *testing.T) {
	for _, name := range Presets() {
		set, err := Load([]string{name}, nil, "")
		if err != nil {
			t.Errorf("preset %s: %v", name, err)
		} else if len(set.Watches) == 0 {
			t.Errorf("preset %s watches nothing", name)
		}
	}
}

func TestNodePresetSelects(t *testing.T) {
	set, err := Load([]string{"node"}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		series          labels.Labels
		watch, forecast string
	}{
		{labels.FromStrings("__name__", "node_cpu_seconds_total", "cpu", "0", "mode", "user"), "node_cpu", ""},
		{labels.FromStrings("__name__", "node_cpu_seconds_total", "cpu", "0", "mode", "idle"), "", ""},
		{labels.FromStrings("__name__", "node_pressure_io_waiting_seconds_total"), "node_pressure", ""},
		{labels.FromStrings("__name__", "node_network_receive_bytes_total", "device", "eth0"), "node_network_traffic", ""},
		{labels.FromStrings("__name__", "node_network_receive_bytes_total", "device", "lo"), "", ""},
		{labels.FromStrings("__name__", "node_filesystem_files_free", "fstype", "ext4"), "", "node_filesystem_inodes"},
		{labels.FromStrings("__name__", "node_filesystem_files_free", "fstype", "tmpfs"), "", ""},
	} {
		var watch, forecast string
		if w := set.Watch(c.series); w != nil {
			watch = w.Name
		}
		if f := set.Forecast(c.series); f != nil {
			forecast = f.Name
		}
		if watch != c.watch || forecast != c.forecast {
			t.Errorf("%s: watched by %q, forecast by %q, want %q and %q", c.series, watch, forecast, c.watch, c.forecast)
		}
	}
}

func TestLoad(t *testing.T) {
	// Brackets in the name of the folder are not a pattern.
	dir := filepath.Join(t.TempDir(), "[etc]")
	rule := func(name string) string {
		return "groups: [{name: g, rules: [{watch: " + name + ", select: up}]}]"
	}
	for file, data := range map[string]string{
		"b.yml": rule("b"), "a.yml": rule("a"), "other/c.yml": rule("c"), "again/a.yml": rule("a"),
		"again/empty.yml": "# nothing yet\n", "wrong/x.yml": "x: y", "wrong/y.yml": "- y",
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ globs, want, mistakes string }{
		{"", "", ""},
		{"*.yml", "a b", ""},
		{"other/c.yml *.yml", "c a b", ""},
		{"b.yml *.yml b.yml", "b a", ""},
		{"./a.yml a.yml", "a", ""},
		{"none/*.yml *.yaml", "", ""},
		{"again/empty.yml", "", ""},
		{"none.yml again", "", "none.yml: no such file or directory\nagain: not a regular file"},
		{"*/a.yml", "", "*/a.yml: wildcards may stand in the last part of the path only"},
		{"[.yml", "", "[.yml: syntax error in pattern"},
		{"a.yml again/a.yml", "", `again/a.yml:1:36: groups[0].rules[0].watch: "a" names another rule too, in a.yml`},
		{"wrong/*", "", "wrong/x.yml:1:1: x: unknown key; want one of groups\nwrong/y.yml:1:1: want a mapping, got a list"},
	} {
		set, err := Load(nil, strings.Fields(c.globs), dir)
		if err != nil {
			if got := strings.ReplaceAll(err.Error(), dir+"/", ""); got != c.mistakes {
				t.Errorf("%s: got %s, want %s", c.globs, got, c.mistakes)
			}
			continue
		}
		var names []string
		for _, w := range set.Watches {
			names = append(names, w.Name)
		}
		if got := strings.Join(names, " "); got != c.want || c.mistakes != "" {
			t.Errorf("%s: got %s, want %s and mistakes %q", c.globs, got, c.want, c.mistakes)
		}
	}
}

func TestUnknownPreset(t *testing.T) {
	_, err := Load([]string{"nod"}, nil, "")
	if err == nil || err.Error() != `presets: no preset "nod", only go, http, jvm, kafka, kubernetes, nginx, node, postgres, prometheus, redis, did you mean "node"?` {
		t.Errorf("got %v", err)
	}
}
