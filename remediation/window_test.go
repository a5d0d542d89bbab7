package remediation

import (
	"testing"
	"time"
)

func TestChangeWindow(t *testing.T) {
	office := ChangeWindow{Days: []string{"monday", "Friday"}, From: "09:00", To: "17:30", Zone: "Europe/Berlin"}
	night := ChangeWindow{Days: []string{"saturday"}, From: "22:00", To: "04:00", Zone: "UTC"}
	always := ChangeWindow{From: "00:00", To: "24:00", Zone: "UTC"}
	for _, c := range []struct {
		window ChangeWindow
		at     string
		want   bool
	}{
		{office, "2026-11-23T08:00:00Z", true}, // a Monday, 09:00 in Berlin
		{office, "2026-11-23T07:59:59Z", false},
		{office, "2026-07-20T07:00:00Z", true}, // in summer
		{office, "2026-11-23T16:29:59Z", true},
		{office, "2026-11-23T16:30:00Z", false},
		{office, "2026-11-24T10:00:00Z", false}, // a Tuesday
		{night, "2026-11-28T22:00:00Z", true},   // a Saturday
		{night, "2026-11-29T03:59:00Z", true},   // which ends on Sunday
		{night, "2026-11-29T04:00:00Z", false},
		{night, "2026-11-28T03:00:00Z", false}, // Friday's would
		{always, "2026-11-28T23:59:59Z", true},
	} {
		w, err := c.window.build("w")
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if w.contains(at) != c.want {
			t.Errorf("%+v contains %s: %t", c.window, c.at, !c.want)
		}
	}
}
