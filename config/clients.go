package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/file"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// clients judges what every HTTP client needs from the disk. Prometheus's code opens
// these files by itself, some of them when the client is made and some for every request,
// and would wait for ever for a pipe or read a device without end.
func (j *judge) clients(c *Config) {
	for i, rw := range c.RemoteWrite {
		j.client(fmt.Sprintf("remote_write[%d]", i), reflect.ValueOf(rw))
	}
	for i, am := range c.Alerting.AlertmanagerConfigs {
		j.client(fmt.Sprintf("alerting.alertmanagers[%d]", i), reflect.ValueOf(am))
	}
	j.client("warm_start.http_config", reflect.ValueOf(c.WarmStart.HTTPConfig))
	for i, s := range c.Evidence.Sources {
		j.client(fmt.Sprintf("evidence.sources[%d].http_config", i), reflect.ValueOf(s.HTTPConfig))
	}
	if l := c.Remediation.Lease; l != nil && l.NATS != nil {
		j.client("remediation.lease.nats", reflect.ValueOf(*l.NATS))
	}
	for i, a := range c.Remediation.Actions {
		if a.Webhook != nil {
			j.client(fmt.Sprintf("remediation.actions[%d].webhook.http_config", i), reflect.ValueOf(a.Webhook.HTTPConfig))
		}
	}
}

// client looks for the files that the block v at path names, however deep.
func (j *judge) client(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			j.client(path, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			j.client(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() { // mistakes are sorted by their place
			j.client(fmt.Sprintf("%s.%s", path, key), v.MapIndex(key))
		}
	case reflect.Struct:
		j.fields(path, v)
	}
}

func (j *judge) fields(path string, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		at := path + "." + key
		found, isDiscovery := v.Field(i).Interface().(discovery.Configs)
		switch {
		case isDiscovery:
			j.discovery(path, found)
		case strings.Contains(options, "inline"):
			j.client(path, v.Field(i))
		case key == "-" || key == "":
		case strings.HasSuffix(key, "_file") && field.Type.Kind() == reflect.String:
			j.finite(at, v.Field(i).String())
		case key == "files" && field.Type == reflect.TypeFor[[]string](): // of a header
			for n, name := range v.Field(i).Interface().([]string) {
				j.finite(fmt.Sprintf("%s[%d]", at, n), name)
			}
		default:
			j.client(at, v.Field(i))
		}
	}
	if tls, ok := v.Interface().(promconfig.TLSConfig); ok && j.Sound(path) {
		if _, err := promconfig.NewTLSConfig(&tls); err != nil {
			j.Reject(path, "%v", err)
		}
	}
}

// discovery judges what stands in path under a key of its own for each kind.
func (j *judge) discovery(path string, found discovery.Configs) {
	count := map[string]int{}
	for _, c := range found {
		at := fmt.Sprintf("%s.%s_sd_configs[%d]", path, c.Name(), count[c.Name()])
		count[c.Name()]++
		if files, ok := c.(*file.SDConfig); ok {
			j.targets(at, files.Files)
			continue
		}
		j.client(at, reflect.ValueOf(c))
	}
}

// targets judges the files of targets that the patterns match already.
func (j *judge) targets(path string, patterns []string) {
	for i, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			j.Reject(fmt.Sprintf("%s.files[%d]", path, i), "%v", err)
		}
		for _, name := range files {
			j.finite(fmt.Sprintf("%s.files[%d]", path, i), name)
		}
	}
}

// finite rejects a file that is there and has no end, is too large or cannot be read. It
// may still be missing: most are read when they are needed.
func (j *judge) finite(path, name string) {
	if name == "" {
		return
	}
	if _, err := yamlstrict.Read(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		j.Reject(path, "%s: %v", name, err)
	}
}
