package rules

import (
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
		{labels.FromStrings("__name__", "node_filesystem_avail_bytes", "fstype", "ext4"), "", "node_filesystem_full"},
		{labels.FromStrings("__name__", "node_filesystem_avail_bytes", "fstype", "tmpfs"), "", ""},
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
