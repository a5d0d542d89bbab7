package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// brokenFiles are those that the TestBroken of config and rules do not have: they are no
// files, or hardly, or there is too much of them, or what is wrong lies in a file that
// another names.
func brokenFiles() []broken {
	var all []broken
	config := func(name, text, told string) { // the configuration itself
		all = append(all, broken{name: name, files: map[string]string{"foreshock.yml": text}, told: told})
	}
	rule := func(name, text, told string) { // a rule file
		all = append(all, broken{name: name, files: map[string]string{"foreshock.yml": "rule_files: [rules.yml]", "rules.yml": text}, told: told})
	}
	inPlace := func(name string, make func(string) error, told string) { // instead of the configuration
		all = append(all, broken{name: name, make: make, told: told})
	}
	named := func(name, text string, make func(string) error, told string) { // named by the configuration
		all = append(all, broken{name: name, files: map[string]string{"foreshock.yml": text}, make: make, told: told})
	}
	const itself = `foreshock.yml: `

	// Where the configuration should be.
	inPlace("missing", func(string) error { return nil }, itself+"no such file or directory")
	inPlace("a pipe", fifo("foreshock.yml"), itself+"not a regular file")
	inPlace("a socket", socket("foreshock.yml"), itself+"(not a regular file|no such device or address)")
	inPlace("a folder", link("/tmp", "foreshock.yml"), itself+"not a regular file")
	inPlace("/dev/zero", link("/dev/zero", "foreshock.yml"), itself+"not a regular file")
	inPlace("/dev/full", link("/dev/full", "foreshock.yml"), itself+"not a regular file")
	inPlace("/dev/null", link("/dev/null", "foreshock.yml"), itself+"not a regular file")
	inPlace("/dev/urandom", link("/dev/urandom", "foreshock.yml"), itself+"not a regular file")
	inPlace("/dev/tty", link("/dev/tty", "foreshock.yml"), itself+"(not a regular file|no such device or address)")
	inPlace("a link to itself", link("foreshock.yml", "foreshock.yml"), itself+"too many levels of symbolic links")
	inPlace("a link to nothing", link("nothing", "foreshock.yml"), itself+"no such file or directory")
	inPlace("a file that cannot be read", link("/proc/self/mem", "foreshock.yml"), itself+"(input/output error|permission denied)")
	inPlace("the kernel's log", link("/proc/kmsg", "foreshock.yml"), itself+"(has no end|permission denied|operation not permitted)")
	inPlace("a sparse file of 64 GiB", sparse("foreshock.yml", 64<<30), itself+"larger than 1024 KiB")
	inPlace("zeros", sparse("foreshock.yml", 1000), itself[:len(itself)-2]+":1:1: not YAML: control characters")

	// What the configuration names.
	const rules = `rule_files: [rules.yml]`
	const ruleFile = `foreshock.yml:1:14: rule_files\[0\]: .*rules.yml: `
	named("rules: a pipe", rules, fifo("rules.yml"), ruleFile+"not a regular file")
	named("rules: a socket", rules, socket("rules.yml"), ruleFile+"(not a regular file|no such device or address)")
	named("rules: a link to itself", rules, link("rules.yml", "rules.yml"), ruleFile+"too many levels of symbolic links")
	named("rules: a sparse file of 64 GiB", rules, sparse("rules.yml", 64<<30), ruleFile+"larger than 1024 KiB")
	named("rules: the kernel's log", rules, link("/proc/kmsg", "rules.yml"), ruleFile+"(has no end|permission denied|operation not permitted)")
	named("rules: the configuration", `rule_files: [foreshock.yml]`, nil, `foreshock.yml:1:1: rule_files: unknown key`)
	named("rules: everything, the configuration too", `rule_files: ["*"]`, nil, `foreshock.yml:1:1: rule_files: unknown key`)
	named("rules: a glob that matches a pipe", `rule_files: ["rules/*.yml"]`, many(1, fifo), `foreshock.yml:1:14: rule_files\[0\]: .*rules/0.yml: not a regular file`)
	named("rules: a glob that matches 3000 pipes", `rule_files: ["rules/*.yml"]`, many(3000, fifo), `rules/0.yml: not a regular file`)
	named("rules: a glob that matches 3000 devices", `rule_files: ["rules/*.yml"]`,
		many(3000, func(name string) func(string) error { return link("/dev/zero", name) }), `rules/0.yml: not a regular file`)
	named("rules: a glob that matches 3000 good files", `rule_files: ["rules/*.yml"]`, many(3000, written("groups: [{name: g, rules: [{watch: w, select: up}]}]")),
		`rules/1.yml:1:36: groups\[0\].rules\[0\].watch: "w" names another rule too`)
	named("rules: more text than is read", `rule_files: ["rules/*.yml"]`, many(5, written("#"+strings.Repeat("x", 1_000_000))), `more than 4096 KiB`)
	named("rules: wildcards in a folder", `rule_files: ["*/*.yml"]`, nil, `wildcards may stand in the last part of the path only`)
	named("rules: a name with a NUL", `rule_files: ["a\0b"]`, nil, `foreshock.yml:1:14: rule_files\[0\]: .*invalid argument`)
	named("rules: a name longer than names are", `rule_files: [`+strings.Repeat("a", 5000)+`]`, nil, `foreshock.yml:1:14: rule_files\[0\]: .*file name too long`)

	config("a preset named 50000 times", "presets: ["+strings.Repeat("node,", 50_000)+"]", `foreshock.yml:1:16: presets\[1\]: "node" is named twice`)
	config("60000 globs", "rule_files: ["+strings.Repeat(`"x*.yml",`, 60_000)+"]", `foreshock.yml:1:13: rule_files: more than 1000`)
	config("30000 destinations of one name", "remote_write: ["+strings.Repeat("{url: 'https://x/', name: a},", 30_000)+"]", `foreshock.yml:1:15: remote_write: must be at most 200, got 30000`)

	const remote = `remote_write: [{url: "https://localhost/", `
	const client = `foreshock.yml:1:\d+: remote_write\[0\]`
	named("certificates: a pipe", remote+`tls_config: {ca_file: ca}}]`, fifo("ca"), client+`.tls_config.ca_file: .*not a regular file`)
	named("certificates: /dev/zero", remote+`tls_config: {ca_file: /dev/zero}}]`, nil, client+`.tls_config.ca_file: .*not a regular file`)
	named("certificates: a word", remote+`tls_config: {ca_file: ca}}]`, written("canary")("ca"), client+`.tls_config: `)
	named("certificates: a key without one", remote+`tls_config: {key_file: key}}]`, written("canary")("key"), client)
	named("certificates: a pair of words", remote+`tls_config: {cert_file: key, key_file: key}}]`, written("canary")("key"), client+`.tls_config: `)
	named("credentials: a pipe", remote+`authorization: {credentials_file: p}}]`, fifo("p"), client+`.authorization.credentials_file: .*not a regular file`)
	named("credentials: a device", remote+`basic_auth: {username: me, password_file: /dev/zero}}]`, nil, client+`.basic_auth.password_file: .*not a regular file`)
	named("credentials: of another server", remote+`oauth2: {client_id: me, token_url: "http://localhost/", client_secret_file: p}}]`, fifo("p"), client+`.oauth2.client_secret_file: .*not a regular file`)
	named("credentials: a header's", remote+`http_headers: {x: {files: [p]}}}]`, fifo("p"), client+`.http_headers.x.files\[0\]: .*not a regular file`)
	named("alerting: certificates", `alerting: {alertmanagers: [{static_configs: [{targets: ["a:1"]}], tls_config: {ca_file: p}}]}`, fifo("p"), `alerting.alertmanagers\[0\].tls_config.ca_file: .*not a regular file`)
	named("alerting: certificates of discovery", `alerting: {alertmanagers: [{http_sd_configs: [{url: "http://a/", tls_config: {ca_file: p}}]}]}`, fifo("p"), `http_sd_configs\[0\].tls_config.ca_file: .*not a regular file`)
	named("alerting: targets in a pipe", `alerting: {alertmanagers: [{file_sd_configs: [{files: [p.yml]}]}]}`, fifo("p.yml"), `file_sd_configs\[0\].files\[0\]: .*not a regular file`)
	named("remedies: certificates", `remediation: {actions: [{name: a, webhook: {url: "https://x/", http_config: {tls_config: {ca_file: p}}}}]}`, fifo("p"), `webhook.http_config.tls_config.ca_file: .*not a regular file`)
	named("remedies: a token in a pipe", `remediation: {mode: auto, single_instance: true, approval_token: a, webhook_token_file: p}`, fifo("p"), `remediation.webhook_token_file: .*not a regular file`)
	named("remedies: an address in a pipe", `remediation: {actions: [{name: a, webhook: {url_file: p}}]}`, fifo("p"), `webhook.url_file: .*not a regular file`)
	named("remedies: a command that is a pipe", `remediation: {actions: [{name: a, exec: {command: [./p]}}]}`, fifo("p"), `exec.command: .*permission denied`)
	named("remedies: a command that is a folder", `remediation: {actions: [{name: a, exec: {command: [/tmp]}}]}`, nil, `exec.command: .*is a directory`)
	named("lines: a pipe nobody reads", `emitter: {json_lines: {file: p}}`, fifo("p"), `emitter.json_lines.file: .*no such device or address`)
	named("lines: a folder", `emitter: {json_lines: {file: /tmp}}`, nil, `emitter.json_lines.file: .*is a directory`)

	// Passwords are not repeated.
	config("password: a target", `alerting: {alertmanagers: [{static_configs: [{targets: ["http://me:canary@h:1/"]}]}]}`, `alerting.alertmanagers\[0\]: .*not a valid hostname`)
	config("password: a proxy", `alerting: {alertmanagers: [{proxy_url: "http://me:canary@h:port/"}]}`, `proxy_url: not a URL`)
	config("password: an address without scheme", `remote_write: [{url: "://me:canary@h/"}]`, `url: not a URL`)
	config("password: a control character", `remote_write: [{url: "http://me:canary@h/\x01"}]`, `url: not a URL`)
	config("password: where a duration should be", `detector: {window: "http://me:canary@h/"}`, `detector.window: want a duration`)
	config("password: discovery", `alerting: {alertmanagers: [{http_sd_configs: [{url: "ftp://me:canary@a/"}]}]}`, `http_sd_configs\[0\]: URL scheme`)

	// Hardly text.
	config("a program", "\x7fELF\x02\x01\x01\x00\x00\x00", `foreshock.yml:1:1: not YAML: control characters`)
	config("a NUL far below", "detector:\n  window: 1h\n  # \x00", `foreshock.yml:3:5: not YAML: control characters`)
	config("not UTF-8", "detector:\n  window: \xe9", `foreshock.yml:2:11: not YAML: .*UTF-8`)
	config("UTF-16 cut short", "\xff\xfed\x00e", `foreshock.yml:1:1: not YAML: .*UTF-16`)
	config("UTF-16", "\xff\xfed\x00:\x00\x20\x001\x00", `foreshock.yml:1:1: d: unknown key`)
	config("a byte order mark", "\ufeffdetecter: {}", `foreshock.yml:1:1: detecter: unknown key`)
	config("CR LF", "detector:\r\n  window: x\r\n", `foreshock.yml:2:11: detector.window: `)
	config("CR alone", "detector:\r  window: x\r", `foreshock.yml:2:11: detector.window: `)
	config("a tab", "detector:\n\twindow: 1h\n", `foreshock.yml:2:1: not YAML: found`)
	config("JSON", `{"detector": {"windw": "1h"}}`, `foreshock.yml:1:15: detector.windw: unknown key, did you mean "window"\?`)
	config("an escape of the terminal", "detector: {\"\\e[31m\": 1}", `detector\["\\x1b\[31m"\]: unknown key`)
	named("rules: a name that is an escape of the terminal", `rule_files: ["\e[31m.yml"]`, nil, `foreshock.yml:1:14: rule_files\[0\]: .*\\x1b\[31m.yml: syntax error in pattern`)
	config("two documents", "detector: {}\n---\nincident: {}", `foreshock.yml:2:1: a second document`)
	config("a version of YAML that is not", "%YAML 9.9\n---\ndetector: {}", `not YAML: found incompatible YAML document`)

	// Too much.
	config("an alias bomb", aliasBomb(), `foreshock.yml:\d+:\d+: more than 200000 values`)
	config("an alias of what is around it", "detector: &a {window: *a}", `foreshock.yml:1:15: nested deeper`)
	config("lists in lists", "detector: "+strings.Repeat("[", 900)+strings.Repeat("]", 900), `foreshock.yml:1:\d+: nested deeper`)
	config("lists without end", strings.Repeat("[", 1<<20), `foreshock.yml:\d+:\d+: not YAML: .*depth`)
	config("keys of keys", strings.Repeat("? ", 1<<19), `foreshock.yml:\d+:\d+: not YAML: .*depth`)
	config("a key of a megabyte", strings.Repeat("k", 1_000_000)+": 1", `foreshock.yml:1:1: .*`)
	config("20000 mistakes", strings.Repeat("- x\n", 20_000), `foreshock.yml:1:1: want a mapping, got a list`)
	config("50000 unknown keys", numbered(50_000, "k%d: 1\n"), `49500 more mistakes`)
	rule("100000 empty rules", "groups: [{name: g, rules: ["+strings.Repeat("{},", 100_000)+"]}]", `rules.yml:1:\d+: groups\[0\].rules\[0\]: want a rule`)
	rule("regular expressions without end", "groups: [{name: g, rules: [{watch: w, select: '{"+strings.Repeat(`a=~"[a-z]{120}",`, 60_000)+"}'}]}]", `more than 20000 regular expressions`)
	rule("a template of a megabyte", "groups: [{name: g, rules: [{watch: w, select: up, annotations: {a: '"+strings.Repeat("{{if 1}}", 120_000)+"'}}]}]", `annotations.a: not a template`)
	rule("a selector of a megabyte", "groups: [{name: g, rules: [{watch: w, select: '"+strings.Repeat("{", 1_000_000)+"'}]}]", `select: not a series selector`)

	// Types that nothing has.
	config("a Python object", "detector: !!python/object:os.system {window: 1h}", `foreshock.yml:1:11: detector: unknown tag`)
	config("binary", "detector: {window: !!binary MWg=}", `foreshock.yml:1:20: detector.window: unknown tag`)
	config("a set", "presets: !!set {node}", `foreshock.yml:1:10: presets: unknown tag`)
	config("a tag of one's own", "detector: {window: !mine 1h}", `foreshock.yml:1:20: detector.window: unknown tag`)
	config("a merge of a list", "<<: [1, 2]", `foreshock.yml:1:6: want a mapping`)
	config("a wrong value merged in", "x: &x {window: soon}\ndetector: {<<: *x}", `foreshock.yml:1:16: detector.window: want a duration`)
	config("a repeated key", "detector: {window: 1h, window: 2h}", `foreshock.yml:1:24: detector.window: repeated`)

	// Wrong types and absurd sizes.
	for _, c := range [][2]string{
		{"window: 101y", "must be at most 100y"},
		{"window: 999999999999y", "want a duration"},
		{"window: -5m", "want a duration"},
		{"window: 1.5h", "want a duration"},
		{"window: []", "want a single value"},
		{"window: {}", "want a single value"},
		{"max_series: 1.5", "want a whole number"},
		{"max_series: 99999999999999999999", "want a whole number"},
		{"max_series: -1", "must be positive"},
		{"max_series: many", "want a whole number"},
		{"threshold: .inf", "want a finite number"},
		{"threshold: 1e999", "want a finite number"},
		{"threshold: true", "want a finite number"},
		{"memory_limit: -1GiB", "must"},
		{"memory_limit: 9999999TiB", "want a size"},
		{"memory_limit: 1 apple", "want a size"},
	} {
		config("detector, "+c[0], "detector: {"+c[0]+"}", `foreshock.yml:1:\d+: detector\.\w+: `+c[1])
	}
	return all
}

// written makes files with the text.
func written(text string) func(name string) func(string) error {
	return func(name string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
}

// aliasBomb is 10¹² values in a kilobyte.
func aliasBomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	return b.String()
}

// numbered is the format's lines for 0 to n-1.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
