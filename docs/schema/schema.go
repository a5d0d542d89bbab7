// Package schema holds the JSON Schemas of the files that people write, for their
// editors. They lie among the docs because that is where a person's editor is pointed to,
// and the command prints the very same bytes. `make docs` makes them from the code.
package schema

import _ "embed"

// Config is the schema of the configuration file.
//
//go:embed foreshock.schema.json
var Config []byte

// Rules is the schema of a rule file.
//
//go:embed rules.schema.json
var Rules []byte

// Tests is the schema of a file of unit tests of rules.
//
//go:embed tests.schema.json
var Tests []byte
