package annotation

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/common/helpers/templates"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/util/strutil"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// functions are those that answer from their arguments alone.
var functions = template.FuncMap{
	"args": func(args ...any) map[string]any {
		named := map[string]any{}
		for i, a := range args {
			named[fmt.Sprintf("arg%d", i)] = a
		}
		return named
	},
	"match": regexp.MatchString,
	"reReplaceAll": func(pattern, replacement, text string) (string, error) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return "", err
		}
		return re.ReplaceAllString(text, replacement), nil
	},
	"safeHtml":       func(text string) string { return text }, // no HTML is made here
	"title":          cases.Title(language.AmericanEnglish, cases.NoLower).String,
	"toUpper":        strings.ToUpper,
	"toLower":        strings.ToLower,
	"urlQueryEscape": url.QueryEscape,
	"graphLink":      strutil.GraphLinkForExpression,
	"tableLink":      strutil.TableLinkForExpression,
	"stripPort":      stripPort,
	"stripDomain":    stripDomain,

	"humanize": func(v any) (string, error) {
		return withPrefix(v, 1000, []string{"k", "M", "G", "T", "P", "E", "Z", "Y"}, []string{"m", "u", "n", "p", "f", "a", "z", "y"})
	},
	"humanize1024": func(v any) (string, error) {
		return withPrefix(v, 1024, []string{"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"}, nil)
	},
	"humanizePercentage": func(v any) (string, error) {
		f, err := templates.ConvertToFloat(v)
		return fmt.Sprintf("%.4g%%", f*100), err
	},
	"humanizeDuration":  templates.HumanizeDuration,
	"humanizeTimestamp": templates.HumanizeTimestamp,
	"parseDuration": func(text string) (float64, error) {
		d, err := model.ParseDurationAllowNegative(text)
		return time.Duration(d).Seconds(), err
	},
	"toDuration": func(v any) (time.Duration, error) {
		f, err := templates.ConvertToFloat(v)
		return time.Duration(f * float64(time.Second)), err
	},
	"toTime": func(v any) (*time.Time, error) {
		f, err := templates.ConvertToFloat(v)
		if err != nil {
			return nil, err
		}
		return templates.FloatToTime(f)
	},
}

// functions are those that answer from the data.
func (d Data) functions() template.FuncMap {
	return template.FuncMap{
		"now":         func() float64 { return float64(d.Now.UnixMilli()) / 1000 },
		"externalURL": func() string { return d.ExternalURL },
		"pathPrefix": func() (string, error) {
			u, err := url.Parse(d.ExternalURL)
			if err != nil {
				return "", err
			}
			return u.Path, nil
		},
	}
}

// withPrefix writes v in units of the largest power of base below it, or where there
// are small prefixes above it.
func withPrefix(v any, base float64, large, small []string) (string, error) {
	f, err := templates.ConvertToFloat(v)
	if err != nil || f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Sprintf("%.4g", f), err
	}
	prefix := ""
	for _, p := range large {
		if math.Abs(f) < base {
			break
		}
		prefix, f = p, f/base
	}
	for _, p := range small {
		if math.Abs(f) >= 1 {
			break
		}
		prefix, f = p, f*base
	}
	return fmt.Sprintf("%.4g%s", f, prefix), nil
}

func stripPort(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return hostPort
}

func stripDomain(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	if net.ParseIP(host) != nil {
		return hostPort
	}
	host, _, _ = strings.Cut(host, ".")
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}
