package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// answerPatience is how long an answer may take.
const answerPatience = 10 * time.Second

// question is one that a command has of a running Foreshock, and how its answer is shown.
type question struct {
	server
	output string // text or json
}

// flags are those of every question to a running Foreshock.
func (q *question) flags(cmd *kingpin.CmdClause) {
	q.server.flags(cmd)
	cmd.Flag("output", "How the answer is written: text, or json as the API has it.").Short('o').Default("text").EnumVar(&q.output, "text", "json")
}

// run asks, and writes the answer as JSON or by write, which reads it into x.
func (q *question) run(stdout, stderr io.Writer, ask func(context.Context) (json.RawMessage, error), x any, write func() error) int {
	ctx, cancel := context.WithTimeout(context.Background(), answerPatience)
	defer cancel()
	data, err := ask(ctx)
	if err == nil {
		if err = json.Unmarshal(data, x); err != nil {
			err = fmt.Errorf("read the answer of %s: %w; use the version of foreshock that serves there", q.url, err)
		}
	}
	if err == nil && q.output == "json" {
		err = writeIndented(stdout, data)
	} else if err == nil {
		err = write()
	}
	if err != nil {
		return fail(stderr, err)
	}
	return 0
}

func writeIndented(w io.Writer, data json.RawMessage) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(data)
}
