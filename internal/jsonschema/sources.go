package jsonschema

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// sources are the packages that types were found in, as they are written: for their doc
// comments and constants, which a running program does not know.
type sources map[string]*source

type source struct {
	structs map[string]*ast.StructType
	words   map[string][]string // type → the texts of its constants
}

// of reads the package of t, once.
func (s sources) of(t reflect.Type) *source {
	path := t.PkgPath()
	if known, ok := s[path]; ok {
		return known
	}
	read := &source{map[string]*ast.StructType{}, map[string][]string{}}
	s[path] = read
	if path == "" {
		return read
	}
	pkg, err := build.Import(path, ".", build.FindOnly)
	if err != nil {
		panic(err) // it was imported to be compiled
	}
	files, err := filepath.Glob(filepath.Join(pkg.Dir, "*.go"))
	if err != nil {
		panic(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		ast.Inspect(file, read.see)
	}
	return read
}

func (s *source) see(n ast.Node) bool {
	switch spec := n.(type) {
	case *ast.TypeSpec:
		if fields, ok := spec.Type.(*ast.StructType); ok {
			s.structs[spec.Name.Name] = fields
		}
	case *ast.ValueSpec:
		of, ok := spec.Type.(*ast.Ident)
		if !ok || len(spec.Values) != 1 {
			break
		}
		if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
			word, _ := strconv.Unquote(text.Value) // it compiles
			s.words[of.Name] = append(s.words[of.Name], word)
		}
	}
	return true
}

// field is the doc comment of a field of the struct t.
func (s sources) field(t reflect.Type, name string) string {
	fields := s.of(t).structs[t.Name()]
	if fields == nil {
		return ""
	}
	for _, f := range fields.Fields.List {
		for _, is := range f.Names {
			if is.Name == name {
				return f.Doc.Text()
			}
		}
	}
	return ""
}

// words are the texts of the constants of t, one of our own types.
func (s sources) words(t reflect.Type) []string {
	if !strings.HasPrefix(t.PkgPath(), "github.com/foreshock/") {
		return nil // theirs may take more than they name
	}
	return s.of(t).words[t.Name()]
}
