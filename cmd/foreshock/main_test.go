package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"foreshock": main})
}

// TestTranscripts runs the command as a person would: testdata/*.txt hold what was
// typed and what was answered.
func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"history": startHistory, "incident": incidentOf, "remedies": startRemedies, "plan": planOf, "settled": settled,
		},
	})
}
