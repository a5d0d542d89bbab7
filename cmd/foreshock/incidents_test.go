package main

import (
	"encoding/json"

	"github.com/rogpeppe/go-internal/testscript"
)

// incidentOf puts the ID of the first incident in a list as JSON into a variable.
func incidentOf(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: incident VARIABLE FILE")
	}
	var list []struct{ ID string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &list))
	if len(list) == 0 {
		ts.Fatalf("no incident in %s", args[1])
	}
	ts.Setenv(args[0], list[0].ID)
}
