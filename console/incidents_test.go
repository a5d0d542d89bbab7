package console

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// three incidents: one that fires, one that is over and one that was dismissed.
func three() []foreshock.Incident {
	incident := func(id string, s foreshock.State, x *foreshock.Series, starts, ends int64) foreshock.Incident {
		return foreshock.Incident{
			ID: id, State: s, StartsAt: starts, EndsAt: ends, Updated: starts, Labels: labels.FromStrings("instance", x.Labels.Get("instance")),
			Alerting: true, Members: []foreshock.Member{{Series: x, Onset: starts, Band: foreshock.NoBand()}},
		}
	}
	all := []foreshock.Incident{
		incident("aaaa1", foreshock.Firing, load, noon, 0),
		incident("aaab2", foreshock.Resolved, disk, noon-7200_000, noon-3600_000),
		incident("cccc3", foreshock.Resolved, load, noon-10_000_000, noon-9_000_000),
	}
	all[2].Dismissal = &foreshock.Dismissal{At: noon - 9_000_000, By: "kim", Reason: "backup"}
	return all
}

func TestIncidentsAreFilteredAndPaged(t *testing.T) {
	s := serve(t, Options{Incidents: three})
	for query, want := range map[string]string{
		"":                               "aaaa1 aaab2 cccc3",
		"state=open":                     "aaaa1",
		"state=firing&state=dismissed":   "aaaa1 cccc3",
		"since=1772362800":               "aaaa1 aaab2",
		"match[]={instance=\"web-1\"}":   "aaaa1 cccc3",
		"match[]=node_load1&state=open":  "aaaa1",
		"limit=1":                        "aaaa1",
		"limit=1&after=aaaa1":            "aaab2",
		"after=cccc3":                    "",
		"state=asleep":                   "400 state: must be open, pending, firing, resolved or dismissed, got",
		"since=noon":                     "400 since: must be a time",
		"match[]={":                      "400 match[]: ",
		"limit=0":                        "400 limit: must be",
		"after=gone":                     "404 after: no incident",
		"state=resolved&match[]=unheard": "",
	} {
		r, body := get(t, s.URL+"/api/v1/incidents?"+strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(query))
		var got []string
		for _, id := range []string{"aaaa1", "aaab2", "cccc3"} {
			if strings.Contains(body, `"id":"`+id+`"`) {
				got = append(got, id)
			}
		}
		said := strings.Join(got, " ")
		if r.StatusCode != http.StatusOK {
			said = fmt.Sprint(r.StatusCode) + body[strings.Index(body, `"error":"`)+8:]
			said = strings.Replace(said, `"`, " ", 1)
		}
		if said != want && (r.StatusCode == http.StatusOK || !strings.HasPrefix(said, want)) {
			t.Errorf("%s: %s, want %s", query, said, want)
		}
	}
}

func TestOneIncidentAndItsTimeline(t *testing.T) {
	s := serve(t, Options{
		Incidents: three,
		Curve: func(ctx context.Context, x *foreshock.Series, about []int64, from, to int64) ([]foreshock.Moment, error) {
			if _, bounded := ctx.Deadline(); !bounded || x != load || about[0] != noon || from != noon-1_800_000 || to != noon+1_800_000 {
				t.Errorf("asked for %s from %d to %d, bounded %v", x, from, to, bounded)
			}
			many := make([]foreshock.Moment, maxSamples+500)
			for i := range many {
				many[i] = foreshock.Moment{T: noon + int64(i-700)*1000, Value: 1, Score: math.NaN(), Band: foreshock.NoBand()}
			}
			return many, nil
		},
	})
	for path, want := range map[string]string{
		"aaaa1":          `"id":"aaaa1"`,
		"cccc":           `"dismissed":{"at":"2026-03-01T09:30:00.000Z","by":"kim","reason":"backup"}`,
		"aaa":            `no incident \"aaa\"; the newest are aaaa1, aaab2, cccc3`,
		"aaaa9":          `no incident \"aaaa9\", did you mean \"aaaa1\"?`,
		"zzzzzz":         `no incident \"zzzzzz\"; the newest are`,
		"aaaa1/timeline": `"from":"2026-03-01T11:30:00.000Z","to":"2026-03-01T12:30:00.000Z","series":[{"series":"node_load1{instance=\"web-1\"}"`,
	} {
		if _, body := get(t, s.URL+"/api/v1/incidents/"+path); !strings.Contains(body, want) {
			t.Errorf("%s: %s\nwant %s", path, body, want)
		}
	}
	if _, body := get(t, s.URL+"/api/v1/incidents/aaaa1/timeline"); strings.Count(body, `"at":`) != maxSamples || !strings.Contains(body, `{"at":"2026-03-01T12:00:00.000Z","value":1,"expected":null,"lower":null,"upper":null,"score":null}`) {
		t.Errorf("%d points, or not those around the onset", strings.Count(body, `"at":`))
	}
}

// Only who holds the key may dismiss, no other page may have a browser do so, and nothing is
// done before all of it is right.
func TestDismissing(t *testing.T) {
	done := ""
	o := Options{
		Incidents: three,
		Dismiss: func(id, by, reason string) error {
			if id == "cccc3" {
				return Conflict{errors.New("was dismissed already")}
			}
			done = id + " by " + by + ": " + reason
			return nil
		},
		Guard: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer key" {
					http.Error(w, "a token is needed", http.StatusUnauthorized)
					return
				}
				h.ServeHTTP(w, r)
			})
		},
	}
	s := serve(t, o)
	closed := serve(t, Options{Incidents: three})
	post := func(url, id, body string, header ...string) int {
		r, err := http.NewRequest(http.MethodPost, url+"/api/v1/incidents/"+id+"/dismiss", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer key")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	const fine = `{"by": "kim", "reason": "backup"}`
	for _, c := range []struct {
		id, body string
		header   []string
		want     int
	}{
		{"aaaa1", fine, []string{"Authorization", "Bearer guess"}, 401},
		{"aaaa1", fine, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"aaaa1", fine, []string{"Origin", "https://evil.example"}, 403},
		{"aaaa1", fine, []string{"Content-Type", "text/plain"}, 415},
		{"aaaa1", `{"by": " "}`, nil, 400},
		{"aaaa1", `{"by": "` + strings.Repeat("k", maxBy+1) + `"}`, nil, 400},
		{"aaaa1", `{"by": "kim", "reason": "` + strings.Repeat("k", maxReason+1) + `"}`, nil, 400},
		{"aaaa1", strings.Repeat(" ", maxVerdict+1), nil, 413},
		{"aaaa1", `{`, nil, 400},
		{"nope", fine, nil, 404},
		{"cccc3", fine, nil, 409},
	} {
		if got := post(s.URL, c.id, c.body, c.header...); got != c.want || done != "" {
			t.Errorf("%s %.40s %v: %d, want %d; did %q", c.id, c.body, c.header, got, c.want, done)
		}
	}
	if got := post(closed.URL, "aaaa1", fine); got < 400 {
		t.Errorf("without a guard: %d", got)
	}
	if got := post(s.URL, "aaaa1", fine); got != 200 || done != "aaaa1 by kim: backup" {
		t.Errorf("%d, did %q", got, done)
	}
}
