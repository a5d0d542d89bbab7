package emitter

import (
	"fmt"
	"strings"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/extent"
)

// movedFirst is how much earlier than the lead a member must begin for that to be said:
// series are judged by the minute, and two of one minute have no order.
const movedFirst = time.Minute

// story is the line for an incident of values that are unlike themselves: what is worst
// off and since when, what moved before it, and how much else is. It is a list of clauses,
// so that what is known of the cause can be one more.
func story(i *foreshock.Incident, lead *foreshock.Member) string {
	clauses := []string{headline(i, lead)}
	for _, clause := range []string{earlier(i, lead), company(lead), breadth(i, lead)} {
		if clause != "" {
			clauses = append(clauses, clause)
		}
	}
	return strings.Join(clauses, "; ")
}

// headline is the lead in one clause: "checkout latency 4× normal (800 ms) since 14:03 UTC".
func headline(i *foreshock.Incident, lead *foreshock.Member) string {
	said := saying(lead)
	switch {
	case said.Series == nil:
		return fmt.Sprintf("%s, %s", unlike(lead, "on "+ward(lead.Series)), since(i, lead.Onset))
	case lead.Of > 0 && lead.Odd == 0:
		return fmt.Sprintf("%s, most of all %s %s, %s", unlike(lead, "on "+ward(lead.Series)),
			measure(said.Series), change(said.Series, said.Value, said.Band), since(i, lead.Onset))
	}
	return fmt.Sprintf("%s %s %s", subject(place(lead), said.Series), change(said.Series, said.Value, said.Band), since(i, lead.Onset))
}

// title is what the incident is about in a few words, none of which changes while it lasts.
func title(i *foreshock.Incident) string {
	lead := i.Lead()
	if lead == nil {
		return ""
	}
	who := subject(where(lead.Series), lead.Series)
	switch i.Kind {
	case foreshock.Breach:
		return who + " will reach its limit"
	case foreshock.Crossing:
		return who + " is beyond its limit"
	case foreshock.Absence:
		if place := where(lead.Series); lead.Silence.Targets > 0 && place != "" {
			who = place
		}
		return who + " is not heard any more"
	}
	if lead.Of > 0 {
		return "series on " + ward(lead.Series) + " are unlike themselves"
	}
	return who + " is unlike itself"
}

// earlier says which member began before the lead, "" where none did.
func earlier(i *foreshock.Incident, lead *foreshock.Member) string {
	first := &i.Members[0]
	before := foreshock.Time(lead.Onset).Sub(foreshock.Time(first.Onset))
	if before < movedFirst {
		return ""
	}
	who := place(first) // of a group of which no series speaks
	if said := saying(first); said.Series != nil {
		who = owner(place(first), said.Series)
	}
	return fmt.Sprintf("%s moved first, %s earlier", who, ago(before))
}

// company says of a lead that is a group how much of it is odd.
func company(lead *foreshock.Member) string {
	if lead.Odd == 0 || saying(lead).Series == nil {
		return "" // or it is the headline
	}
	return unlike(lead, "there")
}

// unlike says how many of the series of a group are odd.
func unlike(m *foreshock.Member, where string) string {
	switch m.Odd {
	case 0:
		return fmt.Sprintf("%d series %s are unlike themselves together, none by itself", m.Of, where)
	case 1:
		return fmt.Sprintf("1 of %d series %s is unlike itself", m.Of, where)
	}
	return fmt.Sprintf("%d of %d series %s are unlike themselves", m.Odd, m.Of, where)
}

// breadth says how many series in how many places there are, "" where the lead is all.
func breadth(i *foreshock.Incident, lead *foreshock.Member) string {
	of := extent.Of(i)
	if of.Series <= 1 && of.Places <= 1 || lead.Of > 0 && of.Places <= 1 {
		return ""
	}
	number := fmt.Sprintf("%d series", of.Series)
	if of.Places <= 1 {
		return number
	}
	least := ""
	if i.Dropped > 0 {
		least = "at least "
	}
	alike, where, noun := kindOf(of)
	number += fmt.Sprintf(" %s %s%d %s", where, least, alike, noun)
	switch others := of.Places - alike; others {
	case 0:
	case 1:
		number += " and another place"
	default:
		number += fmt.Sprintf(" and %d other places", others)
	}
	return number
}

// kindOf is the commonest kind of the places of e, how many of them there are, and the
// words for it.
func kindOf(e extent.Extent) (alike int, where, noun string) {
	for _, kind := range extent.PlaceLabels() {
		if n := e.Kinds[kind]; n > alike {
			words := nouns[kind]
			alike, where, noun = n, words.where, words.many
			if n == 1 {
				noun = words.one
			}
		}
	}
	return alike, where, noun
}

// others goes on with how many series there are beside the one spoken of.
func others(i *foreshock.Incident) string {
	if n := len(i.Members) + i.Dropped; n > 1 {
		return fmt.Sprintf("; %d series", n)
	}
	return ""
}

// place is where a member is, in words, "" where nothing says.
func place(m *foreshock.Member) string {
	if m.Of > 0 {
		return ward(m.Series)
	}
	return where(m.Series)
}
