package quantity

import "testing"

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		metric string
		v      float64
		want   string
	}{
		{"node_memory_MemAvailable_bytes", 621e6, "592 MiB"},
		{"node_memory_MemAvailable_bytes", 0, "0 B"},
		{"node_memory_MemAvailable_bytes", -2048, "-2 KiB"},
		{"node_network_receive_bytes_total", 3 << 30, "3 GiB/s"},
		{"http_request_duration_seconds_p99", 0.31, "310 ms"},
		{"http_request_duration_seconds", 4e-5, "40 µs"},
		{"backup_duration_seconds", 5400, "90 min"},
		{"node_cpu_seconds_total", 0.98, "0.98"},
		{"node_boot_time_timestamp_seconds", 1.7e9, "1700000000"},
		{"http_requests_total", 12_345, "12.3k/s"},
		{"cache_hit_ratio", 0.973, "97.3 %"},
		{"node_hwmon_temp_celsius", 61.25, "61.2 °C"},
		{"queue_length", 1_234_567, "1.23M"},
		{"", 42, "42"},
		{"", 999_700, "1M"},
		{"", 1e19, "1e+19"},
		{`disk_free_bytes{path="{"}`, 1 << 30, "1 GiB"},
	} {
		if got := Of(tc.metric, tc.v); got != tc.want {
			t.Errorf("%s %g is written %q, want %q", tc.metric, tc.v, got, tc.want)
		}
	}
}

func TestFinely(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.5: "0.5", 0.123456: "0.1235", 1e-7: "1e-07", 9999: "9999", 12345: "12.35k", -12345: "-12.35k",
		94_371_840: "94.37M", 999_999: "1M", 3e12: "3T",
	} {
		if got := Finely("", v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if got := Finely("x_bytes", 621e6); got != "592.2 MiB" {
		t.Errorf("got %q", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.98: "0.98", 1.0 / 3: "0.333", 123456: "123000", -5e9: "-5000000000", 1e-9: "1e-09", 1e20: "1e+20",
	} {
		if got := Number(v); got != want {
			t.Errorf("%g is written %s, want %s", v, got, want)
		}
	}
}
