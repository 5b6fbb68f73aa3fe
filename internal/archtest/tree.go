package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// folder is one folder with Go files in it.
type folder struct {
	path  string // from the root of the module, with slashes
	files []file
}

type file struct {
	path  string
	test  bool
	lines int
	ast   *ast.File
}

// readTree parses every Go file below the root of fsys that belongs to the
// module there: not testdata, hidden folders or modules inside.
func readTree(fsys fs.FS) ([]folder, error) {
	byPath := map[string]int{}
	var folders []folder
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && foreign(fsys, name) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		f, err := readFile(fsys, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		i, seen := byPath[dir]
		if !seen {
			i = len(folders)
			byPath[dir] = i
			folders = append(folders, folder{path: dir})
		}
		folders[i].files = append(folders[i].files, f)
		return nil
	})
	return folders, err
}

func foreign(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

func readFile(fsys fs.FS, name string) (file, error) {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return file{}, err
	}
	tree, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, fmt.Errorf("parse %s: %w", name, err)
	}
	return file{
		path:  name,
		test:  strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(src, []byte("\n")),
		ast:   tree,
	}, nil
}

// imports returns the import paths of f.
func (f file) imports() []string {
	paths := make([]string, 0, len(f.ast.Imports))
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// selectors calls fn for every name.sel in f where name is an identifier.
func (f file) selectors(fn func(name, sel string)) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				fn(x.Name, s.Sel.Name)
			}
		}
		return true
	})
}
