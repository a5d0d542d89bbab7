package main

import (
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// usage is kingpin's, which has no room for more than a line about a command: what its
// HelpLong says, with its examples, comes below that line.
var usage = strings.Replace(kingpin.DefaultUsageTemplate,
	`{{template "FormatUsage" .Context.SelectedCommand}}`,
	"{{template \"FormatUsage\" .Context.SelectedCommand}}{{with .Context.SelectedCommand.HelpLong}}\n{{.|Wrap 0}}{{end}}", 1)
