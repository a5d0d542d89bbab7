package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/rules"
)

const (
	// maxShown members of the one incident that was asked for are answered: × ~600 B ≈ 6 MB.
	maxShown = 10_000

	// maxCurves of an incident are answered, the first by onset, of maxSamples each.
	maxCurves = 24

	// maxVerdict bounds the body of a dismissal, maxBy the name in it and maxReason the
	// reason, in bytes.
	maxVerdict = 4 << 10
	maxBy      = 128
	maxReason  = 1 << 10

	// maxNear IDs are named where one is not there, and leastPrefix is how much of one is
	// enough where it is unmistakable.
	maxNear     = 3
	leastPrefix = 4
)

// Conflict is why what is there does not allow a wish.
type Conflict struct{ Why error }

// Error implements error.
func (c Conflict) Error() string { return c.Why.Error() }

// incidents answers ?state=…&since=TIME&match[]=SELECTOR&limit=N&after=ID: the newest
// incidents that were not over by since and whose labels, or those of a member, a selector
// selects. The next page begins after the last ID of one. members=N has as many of each be
// listed, recent how its lead went of late.
func (c *console) incidents(r *http.Request) (any, error) {
	limit, err := limitOf(r, defaultIncidents, maxIncidents)
	if err != nil {
		return nil, err
	}
	wanted, err := wantedOf(r)
	if err != nil {
		return nil, err
	}
	all := c.Incidents()
	if after := r.URL.Query().Get("after"); after != "" {
		k := slices.IndexFunc(all, func(in foreshock.Incident) bool { return in.ID == after })
		if k < 0 {
			return nil, notFound{fmt.Errorf("after: no incident %q is kept any more; begin again without it", after)}
		}
		all = all[k+1:]
	}
	members, err := countOf(r, "members", maxMembers, 0, maxMembers)
	if err != nil {
		return nil, err
	}
	page := all[:0:0]
	for i := range all {
		if len(page) == limit {
			break
		}
		if wanted(&all[i]) {
			page = append(page, all[i])
		}
	}
	shown := make([]listed, len(page))
	for i := range page {
		shown[i].Incident = record.NewIncident(page[i], members)
	}
	if c.Recent == nil || !r.URL.Query().Has("recent") {
		return shown, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	for i, row := range c.Recent(ctx, page) {
		for _, v := range row {
			shown[i].Recent = append(shown[i].Recent, record.Number(v))
		}
	}
	return shown, nil
}

// listed is an incident in a list.
type listed struct {
	record.Incident
	// Recent is how the score of the lead went of late, or its value where it has none.
	Recent []record.Number `json:"recent,omitempty"`
}

// wantedOf is what r filters by.
func wantedOf(r *http.Request) (func(*foreshock.Incident) bool, error) {
	query := r.URL.Query()
	states := query["state"]
	for _, s := range states {
		if !slices.Contains([]string{"open", "pending", "firing", "resolved", "dismissed"}, s) {
			return nil, badRequest{fmt.Errorf("state: must be open, pending, firing, resolved or dismissed, got %q", s)}
		}
	}
	since, err := timeOf("since", query.Get("since"))
	if err != nil {
		return nil, err
	}
	var selectors []rules.Matchers
	if query.Has("match[]") {
		if selectors, err = selectorsOf(r); err != nil {
			return nil, err
		}
	}
	return func(in *foreshock.Incident) bool {
		return (len(states) == 0 || slices.ContainsFunc(states, func(s string) bool { return isIn(in, s) })) &&
			(since == foreshock.Newest || in.EndsAt == 0 || in.EndsAt >= since) &&
			(selectors == nil || slices.ContainsFunc(selectors, func(m rules.Matchers) bool { return concerns(in, m) }))
	}, nil
}

func isIn(in *foreshock.Incident, state string) bool {
	switch state {
	case "open":
		return in.State != foreshock.Resolved
	case "dismissed":
		return in.Dismissal != nil
	}
	return in.State.String() == state
}

// concerns reports whether m selects the incident by its labels, or a member.
func concerns(in *foreshock.Incident, m rules.Matchers) bool {
	return m.Matches(in.Labels) || slices.ContainsFunc(in.Members, func(x foreshock.Member) bool { return m.Matches(x.Series.Labels) })
}

// incident answers /api/v1/incidents/{id}: all that is known of it.
func (c *console) incident(r *http.Request) (any, error) {
	in, err := c.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	shown := record.NewIncident(in, maxShown)
	shown.Links = c.links(&in)
	return shown, nil
}

// find is the incident with that ID, or the only one whose ID begins so.
func (c *console) find(id string) (foreshock.Incident, error) {
	all := c.Incidents()
	var found []foreshock.Incident
	for _, in := range all {
		if in.ID == id {
			return in, nil
		}
		if len(id) >= leastPrefix && strings.HasPrefix(in.ID, id) {
			found = append(found, in)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	known := make([]string, len(all))
	for i := range all {
		known[i] = all[i].ID
	}
	why := yamlstrict.Suggest(id, known)
	if why == "" && len(known) > 0 {
		why = "; the newest are " + strings.Join(known[:min(maxNear, len(known))], ", ")
	}
	return foreshock.Incident{}, notFound{fmt.Errorf("no incident %q%s", id, cmp.Or(why, "; none is known"))}
}

// timeline answers /api/v1/incidents/{id}/timeline.
func (c *console) timeline(r *http.Request) (any, error) {
	in, err := c.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	from, to := in.Around()
	members := in.Members[:min(len(in.Members), maxCurves)]
	answer := record.Timeline{
		ID: in.ID, From: record.Instant(from), To: record.Instant(to), Series: make([]record.Curve, len(members)),
		Unlisted: len(in.Members) + in.Dropped - len(members),
	}
	named, grafana := record.NewIncident(in, len(members)), c.elsewhere().Grafana
	for i := range members {
		m := &members[i]
		points, err := c.Curve(ctx, m.Series, []int64{m.Onset, cmp.Or(m.EndedAt, to)}, from, to)
		if err != nil {
			return nil, err
		}
		answer.Series[i] = record.Curve{Member: named.Members[i], Grafana: grafana.Series(&in, m), Points: newPoints(points, members[i].Onset)}
	}
	return answer, nil
}

// newPoints are points, or those around onset where they are too many.
func newPoints(points []foreshock.Moment, onset int64) []record.Point {
	if beyond := len(points) - maxSamples; beyond > 0 {
		at, _ := slices.BinarySearchFunc(points, onset, func(m foreshock.Moment, t int64) int { return cmp.Compare(m.T, t) })
		first := min(max(at-maxSamples/2, 0), beyond)
		points = points[first : first+maxSamples]
	}
	shown := make([]record.Point, len(points))
	for i, m := range points {
		shown[i] = record.Point{At: record.Instant(m.T), Value: record.Number(m.Value), Band: record.NewBand(m.Band), Score: record.Number(m.Score)}
	}
	return shown
}

// verdict is the body of a dismissal.
type verdict struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// dismiss takes POST /api/v1/incidents/{id}/dismiss with {"by": "…", "reason": "…"}. No page
// of another origin may ask a visitor's browser for it.
func (c *console) dismiss(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		api.Refuse(w, http.StatusForbidden, err.Error())
		return
	}
	body, ok := api.Body(w, r, maxVerdict)
	if !ok {
		return
	}
	c.answer(func(r *http.Request) (any, error) {
		var v verdict
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, badRequest{err}
		}
		v.By, v.Reason = strings.TrimSpace(v.By), strings.TrimSpace(v.Reason)
		if v.By == "" || len(v.By) > maxBy {
			return nil, badRequest{fmt.Errorf("by: must be from 1 to %d bytes, who says so", maxBy)}
		}
		if len(v.Reason) > maxReason {
			return nil, badRequest{fmt.Errorf("reason: must be at most %d bytes, got %d", maxReason, len(v.Reason))}
		}
		in, err := c.find(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		if err := c.Dismiss(in.ID, v.By, v.Reason); err != nil {
			return nil, fmt.Errorf("incident %s %w", in.ID, err)
		}
		if in, err = c.find(in.ID); err != nil {
			return nil, err
		}
		return record.NewIncident(in, maxMembers), nil
	}).ServeHTTP(w, r)
}
