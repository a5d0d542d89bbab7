package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/remediation"
)

const (
	remediationHelp  = `Look at the remedies of a running Foreshock; approve, deny, pause and resume them.`
	aboutRemediation = `What would be done, waits, runs or was done about an alert is a plan. The first characters of
its ID are enough where they are unmistakable. Decisions need the approval token; the file
given as --http.config.file has it:

  authorization: {credentials_file: approval.token}

  foreshock remediation
  foreshock remediation show 4f5c
  foreshock remediation approve 4f5c --hash 9a1b2c3d --http.config.file client.yml
  foreshock remediation pause --reason "the database moves" --http.config.file client.yml`
	aboutPlanList = `The newest come first. Who asks without a token sees no hash and no output.`
	aboutPlanShow = `It says what would be done, what the dry run said, if the action has one, and what became of it.`
	aboutApprove  = `A yes is to the very plan whose hash is named, as show has it; its first 8 characters do.
It counts once. Immediately before acting everything is looked at again, and a plan that
a guard refuses then is not run.`
	aboutStatus  = `It says in which mode remedies are, whether they are paused, which circuit breakers have counted failures.`
	aboutPausing = `The kill switch: no action starts from now on, what waits is cancelled, what runs is left to end. It outlives
a restart, and only resume ends it. Either token will do. Where nothing can be asked, a file
called paused in the storage path, or SIGUSR1 to the process, does the same. All replicas that share
a lease hear of it.`
	aboutResuming = `It ends a pause, however it began, at all replicas, and lets mode auto act for the first time.`
	aboutBreaker  = `A rule whose remedy failed twice, or after which nothing recovered, acts no more until a person
looked into it and says so here.`
	aboutVerifying = `It reads the files alone, beside a running Foreshock or without one, and changes nothing. Each
record has a hash over all before it: what was edited, removed, moved or cut off is named
by its file and record, and the exit code is 1. Who rewrites all hashes as well is found by
who kept the head that was printed before.`
	shortestHash = 8
)

// remedies are questions and orders to a running Foreshock about its remedies.
type remedies struct{ question }

// plan is one remedy as the API shows it.
type plan struct {
	ID, State, Hash, Reason, Approver, Output, Rehearsal, Outcome, Verdict string

	Plan struct {
		Rule, Action, Target, Fingerprint string
		Labels                            map[string]string
		StartsAt                          time.Time
	}
	CreatedAt, ExpiresAt, ApprovedAt, StartedAt, FinishedAt time.Time
}

func remediationCommand(app *kingpin.Application) *kingpin.CmdClause {
	if cmd := app.GetCommand("remediation"); cmd != nil {
		return cmd
	}
	return app.Command("remediation", remediationHelp).HelpLong(aboutRemediation)
}

func (q *remedies) command(app *kingpin.Application, name, help, about string) *kingpin.CmdClause {
	cmd := remediationCommand(app).Command(name, help).HelpLong(about)
	q.flags(cmd)
	return cmd
}

// all asks for the plans, newest first.
func (q *remedies) all(ctx context.Context) (list []plan, err error) {
	data, err := q.ask(ctx, http.MethodGet, "api/v1/remediations", nil, nil)
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	return list, err
}

// find completes the beginning of an ID.
func (q *remedies) find(ctx context.Context, id string) (found plan, err error) {
	list, err := q.all(ctx)
	if err != nil {
		return plan{}, err
	}
	list = slices.DeleteFunc(list, func(p plan) bool { return !strings.HasPrefix(p.ID, id) })
	switch {
	case id == "" || len(list) == 0:
		return plan{}, fmt.Errorf("no plan %q; foreshock remediation list has them", id)
	case len(list) > 1:
		return plan{}, fmt.Errorf("%d plans begin with %q: give more of the ID", len(list), id)
	}
	return list[0], nil
}

func (q *remedies) post(ctx context.Context, path string, body map[string]string) (json.RawMessage, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return q.ask(ctx, http.MethodPost, "api/v1/remediations/"+path, nil, text)
}

func addRemediationList(app *kingpin.Application) (string, command) {
	var (
		q      remedies
		states []string
		list   []plan
	)
	cmd := q.command(app, "list", "List plans, the newest first.", aboutPlanList).Default()
	cmd.Flag("state", "Only those in this state, such as waiting. May be repeated.").StringsVar(&states)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			data, err := q.ask(ctx, http.MethodGet, "api/v1/remediations", nil, nil)
			if err != nil || len(states) == 0 {
				return data, err
			}
			var all []map[string]any // as it came, whatever this version knows of it
			if err := json.Unmarshal(data, &all); err != nil {
				return nil, err
			}
			return json.Marshal(slices.DeleteFunc(all, func(p map[string]any) bool {
				state, _ := p["state"].(string)
				return !slices.Contains(states, state)
			}))
		}, &list, func() error { return writePlans(stdout, list) })
	}
}

func addRemediationShow(app *kingpin.Application) (string, command) {
	var (
		q remedies
		p plan
	)
	cmd := q.command(app, "show", "Show one plan: what would be done, and what became of it.", aboutPlanShow)
	id := cmd.Arg("id", "The ID of the plan, or how it begins.").Required().String()
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			found, err := q.find(ctx, *id)
			if err != nil {
				return nil, err
			}
			return q.ask(ctx, http.MethodGet, "api/v1/remediations/"+url.PathEscape(found.ID), nil, nil)
		}, &p, func() error { return writePlan(stdout, &p) })
	}
}

func addRemediationApprove(app *kingpin.Application) (string, command) {
	return addDecision(app, "approve", "Say yes to a plan that waits.", aboutApprove, "plan %s is approved and takes its turn\n")
}

func addRemediationDeny(app *kingpin.Application) (string, command) {
	return addDecision(app, "deny", "Say no to a plan that waits.", "A no is final for the alert's episode.", "plan %s is denied\n")
}

// addDecision declares a yes or a no.
func addDecision(app *kingpin.Application, verb, help, about, done string) (string, command) {
	var (
		q        remedies
		by, hash string
		p        plan
	)
	cmd := q.command(app, verb, help, about)
	id := cmd.Arg("id", "The ID of the plan, or how it begins.").Required().String()
	cmd.Flag("by", "Who says so; the user at this terminal where it is left out.").PlaceHolder("NAME").StringVar(&by)
	which := cmd.Flag("hash", "The hash of the plan that was seen, or its first 8 characters and more.").PlaceHolder("HASH")
	if verb == "approve" {
		which = which.Required()
	}
	which.StringVar(&hash)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			if hash != "" && len(hash) < shortestHash {
				return nil, fmt.Errorf("--hash %s: want at least its first %d characters", hash, shortestHash)
			}
			found, err := q.find(ctx, *id)
			switch {
			case err != nil:
				return nil, err
			case found.State == "waiting" && found.Hash == "":
				return nil, errors.New("the plan is shown without its hash: give credentials in --http.config.file")
			case !strings.HasPrefix(found.Hash, hash):
				return nil, fmt.Errorf("the plan is not the one that was seen, its hash is %.16s…: look at it again with foreshock remediation show %s", found.Hash, found.ID)
			}
			return q.post(ctx, url.PathEscape(found.ID)+"/"+verb, map[string]string{"hash": found.Hash, "approver": cmp.Or(by, myself())})
		}, &p, func() error {
			_, err := fmt.Fprintf(stdout, done, p.ID)
			return err
		})
	}
}

// remedyStanding is what guards all plans, as the API shows it.
type remedyStanding struct {
	Mode, Paused   string
	Breakers       map[string][]string
	Acted, Running int
}

func addRemediationStatus(app *kingpin.Application) (string, command) {
	var (
		q remedies
		s remedyStanding
	)
	cmd := q.command(app, "status", "Say whether remedies may act.", aboutStatus)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			return q.ask(ctx, http.MethodGet, "api/v1/remediations/standing", nil, nil)
		}, &s, func() error { return writeStanding(stdout, &s) })
	}
}

func addRemediationPause(app *kingpin.Application) (string, command) {
	return addOrder(app, "pause", "Let no remedy start any more.", aboutPausing, nil)
}

func addRemediationResume(app *kingpin.Application) (string, command) {
	return addOrder(app, "resume", "Let remedies act again.", aboutResuming, nil)
}

func addRemediationCloseBreaker(app *kingpin.Application) (string, command) {
	return addOrder(app, "close-breaker", "Let a rule act again that failed too often.", aboutBreaker,
		func(cmd *kingpin.CmdClause) *string {
			return cmd.Arg("rule", "The remedy rule's name.").Required().String()
		})
}

// addOrder declares what is said about all remedies, or those of a rule.
func addOrder(app *kingpin.Application, verb, help, about string, rule func(*kingpin.CmdClause) *string) (string, command) {
	var (
		q          remedies
		by, reason string
		s          remedyStanding
		of         = new(string)
	)
	cmd := q.command(app, verb, help, about)
	if rule != nil {
		of = rule(cmd)
	}
	cmd.Flag("by", "Who says so; the user at this terminal where it is left out.").PlaceHolder("NAME").StringVar(&by)
	cmd.Flag("reason", "Why, for those who look later.").StringVar(&reason)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			return q.post(ctx, verb, map[string]string{"by": cmp.Or(by, myself()), "reason": reason, "rule": *of})
		}, &s, func() error { return writeStanding(stdout, &s) })
	}
}

func addRemediationVerifyLedger(app *kingpin.Application) (string, command) {
	cmd := remediationCommand(app).Command("verify-ledger", "Find what was changed in the ledger since it was written.").HelpLong(aboutVerifying)
	path := cmd.Flag("storage.path", "The storage path of the Foreshock whose ledger it is.").Default("data").String()
	output := cmd.Flag("output", "How the answer is written: text or json.").Short('o').Default("text").Enum("text", "json")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		v, err := remediation.VerifyLedger(filepath.Join(*path, "ledger"))
		if err != nil {
			return fail(stderr, err)
		}
		if *output == "json" {
			data, err := json.Marshal(v)
			if err == nil {
				err = writeIndented(stdout, data)
			}
			if err != nil {
				return fail(stderr, err)
			}
		}
		for _, f := range v.Faults {
			fmt.Fprintf(stderr, "foreshock: %s\n", f)
		}
		if len(v.Faults) > 0 {
			return 1
		}
		if *output == "text" {
			fmt.Fprintf(stdout, "%d records in %d files are as they were written\nhead %s\n", v.Records, v.Files, v.Head)
		}
		return 0
	}
}
