package plot

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"time"
)

// maxRows bounds the table under each picture: beyond it nobody reads on.
const maxRows = 500

//go:embed page.html.tmpl
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"clock":  func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") },
	"stamp":  func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) },
	"number": func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) },
	"finite": finite,
	"lasted": lasted,
}).Parse(pageText))

// Page is a report: what is to be said, and sections of it with pictures.
type Page struct {
	Title    string
	Lead     []string // paragraphs
	Table    Table    // beneath them
	Sections []Section
}

// Section is a part of a Page. Without a Title it has no heading.
type Section struct {
	Title  string
	Text   []string // paragraphs
	Table  Table
	Panels []Panel
}

// Table is written as it stands; one without a header is left out.
type Table struct {
	Header []string
	Rows   [][]string
}

// drawing is one panel as the page shows it.
type drawing struct {
	Panel
	Light, Dark template.HTML
	Rows        []Anomaly
	More        int
}

// HTML writes the figure as a page that needs no other file and runs no script:
// each panel as a drawing, light or dark as the reader prefers, with its anomalies
// in a table.
func (f Figure) HTML(w io.Writer) error {
	if len(f.Panels) == 0 {
		return f.drawable()
	}
	return Page{Title: f.Title, Sections: []Section{{Panels: f.Panels}}}.HTML(w)
}

// HTML writes the page as Figure.HTML does: it needs no other file and runs no script.
func (p Page) HTML(w io.Writer) error {
	type section struct {
		Section
		Drawings []drawing
	}
	sections := make([]section, len(p.Sections))
	for i, s := range p.Sections {
		sections[i] = section{Section: s}
		for _, panel := range s.Panels {
			sections[i].Drawings = append(sections[i].Drawings, drawn(panel))
		}
	}
	err := page.Execute(w, struct {
		Page
		Sections []section
	}{p, sections})
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return nil
}

func drawn(p Panel) drawing {
	untitled := p // the page's own heading says it
	untitled.Title = ""
	alone := Figure{Panels: []Panel{untitled}}
	rows := p.Anomalies[:min(len(p.Anomalies), maxRows)]
	return drawing{
		Panel: p,
		Light: inline(alone.svg(Light)), Dark: inline(alone.svg(Dark)),
		Rows: rows, More: len(p.Anomalies) - len(rows),
	}
}

// inline drops the XML prologue, which has no place within HTML. The rest is the
// canvas's own output, which escapes every text put into it.
func inline(svg []byte) template.HTML {
	return template.HTML(svg[bytes.Index(svg, []byte("<svg")):])
}

// lasted says how long an anomaly was, or that it has not ended.
func lasted(a Anomaly) string {
	if a.End == 0 {
		return "not over"
	}
	return (time.Duration(a.End-a.Start) * time.Millisecond).String()
}
