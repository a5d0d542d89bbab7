package rules

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

//go:embed presets/*.yml
var embedded embed.FS

// Presets are the names of the embedded rule files, sorted.
func Presets() []string {
	entries, err := embedded.ReadDir("presets")
	if err != nil {
		panic(err) // embedded: cannot be missing
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yml"))
	}
	return names
}

// Preset returns the text of an embedded rule file.
func Preset(name string) ([]byte, error) {
	if !slices.Contains(Presets(), name) {
		return nil, fmt.Errorf("no preset %q, only %s%s", name, strings.Join(Presets(), ", "), yamlstrict.Suggest(name, Presets()))
	}
	return embedded.ReadFile("presets/" + name + ".yml")
}

// Load parses the presets of those names and the files that globs match, relative to dir:
// in the order named, and within a glob by name. A file matched twice is read
// once. A glob with wildcards may match nothing; a plain name must exist. The error
// is yamlstrict.Mistakes: all of them, in all files.
func Load(presetNames, globs []string, dir string) (*Set, error) {
	var b builder
	for _, name := range presetNames {
		data, err := Preset(name)
		if err != nil {
			b.whole("presets", err)
			continue
		}
		b.add("preset "+name, data)
	}
	if len(globs) > maxGlobs {
		b.whole("rule_files", fmt.Errorf("more than %d", maxGlobs))
		return b.finish()
	}
	seen := map[string]bool{}
	for _, glob := range globs {
		files, err := expand(glob, dir)
		if err != nil {
			b.whole(glob, err)
		}
		for _, file := range files {
			if seen[file] {
				continue
			}
			seen[file] = true
			data, err := yamlstrict.Read(file)
			if enough := b.admit(data); enough != nil {
				b.whole(file, enough)
				return b.finish()
			}
			if err != nil {
				b.whole(file, err)
				continue
			}
			b.add(file, data)
		}
	}
	return b.finish()
}

// expand returns the files that glob matches; a name without wildcards is itself.
// Wildcards stand in the last part only, as in Prometheus: one folder is read, not
// a tree.
func expand(glob, dir string) ([]string, error) {
	const wildcards = `*?[\`
	folder, pattern := filepath.Split(glob)
	if strings.ContainsAny(folder, wildcards) {
		return nil, errors.New("wildcards may stand in the last part of the path only")
	}
	if !filepath.IsAbs(glob) {
		folder = filepath.Join(dir, folder)
	}
	if !strings.ContainsAny(pattern, wildcards) {
		return []string{filepath.Join(folder, pattern)}, nil
	}
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, err
	}
	// Not filepath.Glob, for which dir would have to be without wildcards too.
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if ok, _ := filepath.Match(pattern, e.Name()); ok { // the pattern is good
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	return files, nil
}

// whole notes a mistake that concerns a file as a whole.
func (b *builder) whole(file string, err error) {
	b.mistakes = append(b.mistakes, yamlstrict.Mistake{File: file, What: err.Error()})
}
