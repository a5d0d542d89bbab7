package emitter

import (
	"encoding/json"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// A silence is read as Alertmanager wrote it, and holds for what Alertmanager says it does.
func TestSilencesMatchAsAlertmanagersDo(t *testing.T) {
	alert := labels.FromStrings("alertname", "ForeshockIncident", "instance", "a")
	for matchers, want := range map[string]bool{
		`[{"name":"instance","value":"a","isRegex":false,"isEqual":true}]`:                                                          true,
		`[{"name":"instance","value":"a","isRegex":false}]`:                                                                         true,
		`[{"name":"instance","value":"b","isRegex":false,"isEqual":true}]`:                                                          false,
		`[{"name":"instance","value":"b","isRegex":false,"isEqual":false}]`:                                                         true,
		`[{"name":"instance","value":"a|b","isRegex":true,"isEqual":true}]`:                                                         true,
		`[{"name":"instance","value":"a|b","isRegex":true,"isEqual":false}]`:                                                        false,
		`[{"name":"instance","value":"(","isRegex":true,"isEqual":true}]`:                                                           false,
		`[{"name":"job","value":"","isRegex":false,"isEqual":true}]`:                                                                true,
		`[{"name":"instance","value":"a","isEqual":true},{"name":"alertname","value":"Foreshock.*","isRegex":true,"isEqual":true}]`: true,
		`[{"name":"instance","value":"a","isEqual":true},{"name":"alertname","value":"Other","isEqual":true}]`:                      false,
		`[]`: false,
	} {
		var s silence
		if err := json.Unmarshal([]byte(`{"id":"1","createdBy":"kim","startsAt":"2026-03-01T12:00:00.000Z","status":{"state":"active"},"matchers":`+matchers+`}`), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.matches(alert); got != want {
			t.Errorf("%s: %v, want %v", matchers, got, want)
		}
	}
}
