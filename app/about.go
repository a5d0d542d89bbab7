package app

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/version"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/internal/grafana"
	"github.com/foreshock/foreshock/internal/record"
)

// aboutThis shows the console what runs here and by which configuration.
func (a *App) aboutThis() (console.About, error) {
	c := a.inUse.Load()
	text, err := masked(c)
	if err != nil {
		return console.About{}, err
	}
	return console.About{
		Version: version.Version, Revision: version.Revision, Go: version.GoVersion,
		StartedAt: record.Instant(a.startedAt.UnixMilli()), Config: text,
		WindowSeconds: time.Duration(c.Detector.Window).Seconds(),
	}, nil
}

// elsewhere is where else the console can send people.
func (a *App) elsewhere() console.Elsewhere {
	c := a.inUse.Load()
	return console.Elsewhere{Alertmanagers: alertmanagers(&c.Alerting), Grafana: grafana.At(c.Global.GrafanaURL), Rules: c.Rules}
}

// alertmanagers are the addresses that are written down. Those that are discovered have none
// to link to before.
func alertmanagers(c *promconfig.AlertingConfig) []string {
	found := []string{}
	for _, am := range c.AlertmanagerConfigs {
		for _, sd := range am.ServiceDiscoveryConfigs {
			groups, static := sd.(discovery.StaticConfig)
			if !static {
				continue
			}
			for _, g := range groups {
				for _, t := range g.Targets {
					u := url.URL{Scheme: am.Scheme, Host: string(t[model.AddressLabel]), Path: path.Join("/", am.PathPrefix)}
					found = append(found, u.String())
				}
			}
		}
	}
	return found
}

const hidden = "<secret>"

// secretKey is a key whose value nobody is shown, unless it names a file: what Prometheus's
// types hide themselves, and what a user may have put a secret into.
var secretKey = regexp.MustCompile(`(?i)password|secret|token|credential|authorization|cookie|api_?key|access_?key|private|signature|^headers?$|^env$|^command$|^body$|^params$`)

// masked is the configuration in YAML without secrets.
func masked(c *config.Config) (string, error) {
	var tree yaml.Node
	if err := tree.Encode(c); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	mask(&tree)
	text, err := yaml.Marshal(&tree)
	if err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return string(text), nil
}

// mask hides what n holds under keys of secrets, and what URLs carry beside an address.
func mask(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			if secretKey.MatchString(key) && !strings.HasSuffix(key, "_file") {
				hide(value)
			} else {
				mask(value)
			}
		}
		return
	}
	for _, child := range n.Content {
		mask(child)
	}
	if n.Kind == yaml.ScalarNode {
		if u, err := url.Parse(n.Value); err == nil && u.Host != "" && (u.User != nil || u.RawQuery != "") {
			u.User, u.RawQuery = nil, ""
			n.Value = u.String() + " (" + hidden + ")"
		}
	}
}

// hide has every value below n be hidden, its keys not.
func hide(n *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			hide(n.Content[i])
		}
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		for _, child := range n.Content {
			hide(child)
		}
	case n.Kind == yaml.ScalarNode && n.Value != "" && n.Tag != "!!null" && n.Tag != "!!bool":
		n.Value, n.Tag, n.Style = hidden, "!!str", 0
	}
}
