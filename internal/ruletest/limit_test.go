package ruletest

import "testing"

// TestLimitOfAnExpression: a disk that fills is told when the share that is left crosses the
// bound, and one of half the size beside it is not. The bytes themselves are under no limit.
func TestLimitOfAnExpression(t *testing.T) {
	write(t, map[string]string{
		"rules.yml": `
groups:
  - name: g
    rules:
      - limit: disk_low
        expr: disk_free_bytes / disk_size_bytes
        bound: "< 0.1"
        for: 5m
        annotations: {summary: '{{ $value | humanizePercentage }} left on {{ $labels.device }}'}
`,
		"t.yml": `
rule_files: [rules.yml]
length: 2h
input_series:
  - {series: 'disk_size_bytes{device="a"}', values: 100x*}
  - {series: 'disk_free_bytes{device="a"}', values: 50x1h 9x30m 50x*}
  - {series: 'disk_size_bytes{device="b"}', values: 50x*}
  - {series: 'disk_free_bytes{device="b"}', values: 9x*}
tests:
  - name: one disk fills
    alerts:
      - {at: 1h5m..1h10m, ends: 1h30m..2h, rule: disk_low, alertname: ForeshockLimit, labels: {device: a}, annotations: {summary: 9% left on a}}
`,
	})
	if got := play(t, "t.yml"); got != "" {
		t.Error("\n" + got)
	}
}
