package record

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// What the API says the command reads: the same record, with what is not known still
// not known.
func TestExplanationsAreReadAsTheyWereWritten(t *testing.T) {
	x := foreshock.NewSeries(labels.FromStrings("__name__", "up", "job", "\u202e\x1b[31m"))
	nan := math.NaN()
	written, err := json.Marshal(NewExplanation(foreshock.Explanation{
		Series: x, Kind: "gauge", Asked: 1772366400123, Because: "it is odd",
		Moment: foreshock.Moment{
			T: 1772366400123, Value: math.Inf(1), Band: foreshock.NoBand(), Reason: foreshock.Refractory, Score: 0.5, Raw: nan, Threshold: nan, Needed: nan, P: 1e-5,
			Channels: []foreshock.ChannelScore{{Channel: "value", Score: 0.25}},
		},
		Around:   []foreshock.Moment{{T: -1, Value: 1, P: nan}},
		Together: []foreshock.Member{{Series: x, Onset: 5, Peak: 2, Channel: "shift"}},
	}, 10))
	if err != nil {
		t.Fatal(err)
	}
	var read Explanation
	if err := json.Unmarshal(written, &read); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(read)
	if err != nil || string(again) != string(written) {
		t.Errorf("%v\n read %s\nwrote %s", err, again, written)
	}
	if !math.IsNaN(float64(read.Value)) || !math.IsNaN(float64(read.Raw)) || read.P != 1e-5 || read.Onset != 0 || read.At != 1772366400123 {
		t.Errorf("read %+v", read.Moment)
	}
	if err := json.Unmarshal([]byte(`{"at":"noon"}`), &read); err == nil {
		t.Error("reads any text as a time")
	}
}
