package rules

import (
	"fmt"
	"strings"
	"text/template/parse"
)

// TemplateVariables stand before every annotation when it is expanded, as they do
// in Prometheus's alerting rules.
const TemplateVariables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// templateFunctions are those an annotation may call: Go's own and Prometheus's,
// without the ones that query (query, first, value, sortByLabel, …): there is
// nothing here to query.
var templateFunctions = func() map[string]any {
	known := map[string]any{}
	for _, name := range strings.Fields(`
		and break call continue eq ge gt html index js le len lt ne not or print printf println slice urlquery
		args externalURL graphLink humanize humanize1024 humanizeDuration humanizePercentage humanizeTimestamp
		match now parseDuration pathPrefix reReplaceAll safeHtml stripDomain stripPort tableLink title toDuration
		toLower toTime toUpper urlQueryEscape`) {
		known[name] = true // the parser asks only whether it is there
	}
	return known
}()

// checkTemplate reports what is wrong with the syntax of an annotation.
func checkTemplate(text string) error {
	if _, err := parse.Parse("annotation", TemplateVariables+text, "", "", templateFunctions); err != nil {
		_, what, _ := strings.Cut(strings.TrimPrefix(err.Error(), "template: annotation:"), ": ")
		return fmt.Errorf("not a template: %s", what)
	}
	return nil
}
