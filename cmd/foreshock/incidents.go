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
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/record"
)

const (
	incidentsHelp  = `Look at the incidents of a running Foreshock, and dismiss false alarms.`
	aboutIncidents = `What happened together is one incident. Its ID is in the alert that was sent; the first
characters are enough where they are unmistakable.

  foreshock incidents
  foreshock incidents list --state open --match '{instance="web-1:9100"}'
  foreshock incidents show 4f5c
  foreshock incidents timeline 4f5c --plot incident.html
  foreshock incidents dismiss 4f5c --reason "the nightly backup"`
	aboutList = `The newest come first. An incident nobody was told of, since no rule selects any of its
series, is among them.`
	aboutShow = `It says where the incident likely comes from, why that is thought and how often one that
looked like this was it; what was rolled out, scaled or restarted there; what logs say; and
what moved, by how much, in the order in which it began.`
	aboutTimeline = `Each series is a picture of its own, in the order in which they began to be odd: its value,
the band it was expected in, and its score.`
	aboutDismiss = `The incident ends, and for some weeks what is like it, under the same rule or of the same
metric in the same place, must be stronger to wake anyone: 1.25 times after one dismissal,
2.5 times after two, and never more than three times. It needs one of remediation's
two tokens.`
)

// incidents are questions to a running Foreshock about its incidents.
type incidents struct{ question }

// incidentsCommand declares what all of its commands share; kingpin has a command once.
func incidentsCommand(app *kingpin.Application) *kingpin.CmdClause {
	if cmd := app.GetCommand("incidents"); cmd != nil {
		return cmd
	}
	return app.Command("incidents", incidentsHelp).HelpLong(aboutIncidents)
}

// command declares one of them, with the flags that each has.
func (q *incidents) command(app *kingpin.Application, name, help, about string) *kingpin.CmdClause {
	cmd := incidentsCommand(app).Command(name, help).HelpLong(about)
	q.flags(cmd)
	return cmd
}

// one asks for the incident with that ID, or what of it rest names.
func (q *incidents) one(id, rest string) func(context.Context) (json.RawMessage, error) {
	return func(ctx context.Context) (json.RawMessage, error) {
		if id == "" {
			return nil, errors.New("want the ID of an incident; foreshock incidents list has them")
		}
		return q.ask(ctx, http.MethodGet, "api/v1/incidents/"+url.PathEscape(id)+rest, nil, nil)
	}
}

func addIncidentsList(app *kingpin.Application) (string, command) {
	var (
		q              incidents
		states, match  []string
		since          string
		limit          int
		list           []record.Incident
		incidentStates = []string{"open", "pending", "firing", "resolved", "dismissed"}
	)
	cmd := q.command(app, "list", "List incidents, the newest first.", aboutList).Default()
	cmd.Flag("state", "Only those that are open, pending, firing, resolved or dismissed. May be repeated.").EnumsVar(&states, incidentStates...)
	cmd.Flag("since", "Only those that were not over by then: RFC 3339, seconds since 1970, a time of day in UTC, or how long ago (90m).").PlaceHolder("TIME").StringVar(&since)
	cmd.Flag("match", "Only those whose labels, or a series of which, this selects: '{instance=\"web-1:9100\"}'. May be repeated.").PlaceHolder("SELECTOR").StringsVar(&match)
	cmd.Flag("limit", "At most so many.").Default("50").IntVar(&limit)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for _, s := range states {
				query.Add("state", s)
			}
			for _, m := range match {
				query.Add("match[]", m)
			}
			if since != "" {
				at, err := momentOf("--since", since, time.Now())
				if err != nil {
					return nil, err
				}
				query.Set("since", at.Format(time.RFC3339Nano))
			}
			return q.ask(ctx, http.MethodGet, "api/v1/incidents", query, nil)
		}, &list, func() error { return writeIncidents(stdout, list, limit) })
	}
}

func addIncidentsShow(app *kingpin.Application) (string, command) {
	var (
		q  incidents
		in record.Incident
	)
	cmd := q.command(app, "show", "Show one incident: its likely causes, what logs say, and what moved with it.", aboutShow)
	id := cmd.Arg("id", "The ID of the incident, or how it begins.").Required().String()
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) { return q.one(*id, "")(ctx) },
			&in, func() error { return writeIncident(stdout, &in) })
	}
}

func addIncidentsTimeline(app *kingpin.Application) (string, command) {
	var (
		q    incidents
		line record.Timeline
		file string
	)
	cmd := q.command(app, "timeline", "Draw the series of one incident, in the order in which they broke.", aboutTimeline)
	id := cmd.Arg("id", "The ID of the incident, or how it begins.").Required().String()
	cmd.Flag("plot", "Draw into this file: .png, .svg or .html. Without it the order of onsets is written.").PlaceHolder("FILE").StringVar(&file)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		draw, err := drawerFor("--plot", file, plot.Light)
		if err != nil {
			return fail(stderr, err)
		}
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			data, err := q.one(*id, "/timeline")(ctx)
			if err != nil || draw == nil {
				return data, err
			}
			f, err := q.drawn(data)
			if err != nil {
				return nil, err
			}
			return data, save(file, func(w io.Writer) error { return draw(f, w) })
		}, &line, func() error { return writeTimeline(stdout, &line) })
	}
}

func addIncidentsDismiss(app *kingpin.Application) (string, command) {
	var (
		q          incidents
		by, reason string
		in         record.Incident
	)
	cmd := q.command(app, "dismiss", "Mark an incident as a false alarm.", aboutDismiss)
	id := cmd.Arg("id", "The ID of the incident, or how it begins.").Required().String()
	cmd.Flag("by", "Who says so; the user at this terminal where it is left out.").PlaceHolder("NAME").StringVar(&by)
	cmd.Flag("reason", "Why, for those who look later.").StringVar(&reason)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			body, err := json.Marshal(map[string]string{"by": cmp.Or(by, myself()), "reason": reason})
			if err != nil {
				return nil, err
			}
			return q.ask(ctx, http.MethodPost, "api/v1/incidents/"+url.PathEscape(*id)+"/dismiss", nil, body)
		}, &in, func() error {
			_, err := fmt.Fprintf(stdout, "incident %s is dismissed; what is like it must be stronger to be told\n", in.ID)
			return err
		})
	}
}

// myself is who types.
func myself() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "somebody")
}

// figureOf draws each series that is still held, in the order of their onsets.
func figureOf(l *record.Timeline) plot.Figure {
	f := plot.Figure{Title: "Incident " + l.ID}
	for i := range l.Series {
		c := &l.Series[i]
		if len(c.Points) < 2 {
			continue
		}
		p := plot.Panel{Title: fmt.Sprintf("%s  %s", clock(c.Onset, l.From), c.Series.Series)}
		if strings.HasSuffix(c.Metric.Get(model.MetricNameLabel), "_total") {
			p.Unit = "per second" // what counts is known by its rate
		}
		p.Anomalies = []plot.Anomaly{{
			Start: int64(c.Onset), End: int64(c.EndedAt), Value: float64(c.Value),
			Lower: float64(c.Lower), Upper: float64(c.Upper), Score: float64(c.Peak), Why: c.Channel,
		}}
		for _, q := range c.Points {
			p.Points = append(p.Points, plot.Point{
				T: int64(q.At), Value: float64(q.Value), Score: float64(q.Score), Marked: q.At == c.Onset,
				Expected: float64(q.Expected), Lower: float64(q.Lower), Upper: float64(q.Upper),
			})
		}
		f.Panels = append(f.Panels, p)
	}
	return f
}
