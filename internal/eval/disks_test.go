package eval

import "testing"

// Who is paged for a disk that fills up in three days wants it to be three days, and
// nobody wants to be paged for one that is emptying.
func TestTimeToThreshold(t *testing.T) {
	rows := thresholds(true)
	ours, linear := rows[0], rows[1]
	t.Logf("%+v", rows)
	if ours.LogError > 0.16 {
		t.Errorf("median |log error| %.3f, want at most 0.16", ours.LogError)
	}
	if ours.Wrong > 0.04 || ours.Alarms > 0.04 {
		t.Errorf("%.3f wrong signs, %.3f alarms of flat disks, want at most 0.04", ours.Wrong, ours.Alarms)
	}
	// A slope that the wave hides is not one to page for.
	if ours.Silent > 0.45 {
		t.Errorf("silent of %.3f of the disks, want at most 0.45", ours.Silent)
	}
	if linear.LogError < 0.5 || linear.Wrong < 0.15 {
		t.Errorf("predict_linear does well: %+v; are these disks any trouble?", linear)
	}
}
