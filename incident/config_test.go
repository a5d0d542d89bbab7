package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryMistakeIsReported(t *testing.T) {
	config := Config{
		JoinWithin:   -1,
		FireAfter:    model.Duration(-time.Minute),
		ResolveAfter: -2,
		Affinity:     [][]string{{"instance"}, {}, {"app", "", "app"}, {"\xff"}},
		MaxMembers:   10_001,
		KeepResolved: -1,
	}
	want := []string{
		"incident.join_within: must not be negative, got -1ns",
		"incident.fire_after: must not be negative, got -1m0s",
		"incident.resolve_after: must not be negative, got -2ns",
		"incident.max_open: must be from 1 to 100000, got 0",
		"incident.max_members: must be from 1 to 10000, got 10001",
		"incident.keep_resolved: must be from 0 to 10000, got -1",
		"incident.affinity[1]: must name a label, got none",
		`incident.affinity[2][1]: must be a label name, got ""`,
		`incident.affinity[2][2]: must name a label once, got "app" again`,
		`incident.affinity[3][0]: must be a label name, got "\xff"`,
	}
	if got := config.Validate().Error(); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}
