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
	drawings := make([]drawing, len(f.Panels))
	for i, p := range f.Panels {
		untitled := p // the page's own heading says it
		untitled.Title = ""
		alone := Figure{Panels: []Panel{untitled}}
		rows := p.Anomalies[:min(len(p.Anomalies), maxRows)]
		drawings[i] = drawing{
			Panel: p,
			Light: inline(alone.svg(light)), Dark: inline(alone.svg(dark)),
			Rows: rows, More: len(p.Anomalies) - len(rows),
		}
	}
	err := page.Execute(w, struct {
		Title    string
		Drawings []drawing
	}{f.Title, drawings})
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return nil
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
