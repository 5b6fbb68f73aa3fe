package archtest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// The limits of the house: of a command's main package and of any file.
const (
	maxMainLines = 40
	maxFileLines = 500
)

// checker collects the faults of one tree.
type checker struct {
	module string
	layers map[string]Layer
	owners map[string][]string
	faults []string
}

// Check compares the tree of the module with the map and the house rules and
// returns one line per fault, sorted; none when they agree. An error means that
// the tree could not be read.
func Check(fsys fs.FS, module string, layers map[string]Layer, owners map[string][]string) ([]string, error) {
	folders, err := readTree(fsys)
	if err != nil {
		return nil, err
	}
	c := &checker{module: module, layers: layers, owners: owners}
	for _, dir := range folders {
		layer, ok := c.layer(dir.path)
		if !ok {
			c.fault(dir.path, "is not on the map; add it to Layers where it belongs")
			continue
		}
		c.comment(dir)
		c.mainIsShort(dir)
		for _, f := range dir.files {
			c.imports(dir.path, layer, f)
			c.house(f)
			if layer.Pure && !f.test {
				c.pure(layer, f)
			}
		}
	}
	slices.Sort(c.faults)
	return slices.Compact(c.faults), nil
}

func (c *checker) fault(where, format string, args ...any) {
	c.faults = append(c.faults, where+": "+fmt.Sprintf(format, args...))
}

// layer finds the entry of a folder: its own, else that of a pattern.
func (c *checker) layer(dir string) (Layer, bool) {
	if l, ok := c.layers[dir]; ok {
		return l, true
	}
	for pattern, l := range c.layers {
		if ok, err := path.Match(pattern, dir); ok && err == nil {
			return l, true
		}
	}
	return Layer{}, false
}

// imports checks the arrows to other packages of the project and who may import
// which library.
func (c *checker) imports(dir string, layer Layer, f file) {
	for _, imported := range f.imports() {
		for library, owners := range c.owners {
			if within(imported, library) && !slices.ContainsFunc(owners, func(o string) bool { return within(dir, o) }) {
				c.fault(f.path, "imports %s, which only %s may import", imported, strings.Join(owners, ", "))
			}
		}
		if f.test {
			continue
		}
		if own, ok := strings.CutPrefix(imported, c.module+"/"); ok {
			c.arrow(layer, f, own)
		}
		if !layer.Support && slices.ContainsFunc(testLibraries(), func(l string) bool { return within(imported, l) }) {
			c.fault(f.path, "imports %s, which is for tests", imported)
		}
	}
}

// arrow checks one import of a package of the project.
func (c *checker) arrow(layer Layer, f file, imported string) {
	if slices.Contains(layer.Imports, imported) {
		return
	}
	target, known := c.layer(imported)
	if slices.Contains(layer.Imports, "*") && known && (layer.Support || !target.Support) {
		return
	}
	c.fault(f.path, "imports %s, which its layer may not", imported)
}

// pure checks that f neither waits nor looks outside.
func (c *checker) pure(layer Layer, f file) {
	for _, imported := range f.imports() {
		switch {
		case within(imported, c.module):
		case strings.Contains(strings.Split(imported, "/")[0], "."):
			if !slices.ContainsFunc(layer.Libraries, func(l string) bool { return within(imported, l) }) {
				c.fault(f.path, "imports %s, and its layer is pure", imported)
			}
		case slices.Contains(stillPure(), imported):
		case slices.ContainsFunc(impure(), func(p string) bool { return within(imported, p) }):
			c.fault(f.path, "imports %s, and its layer is pure", imported)
		}
	}
	f.selectors(func(name, sel string) {
		if name == "time" && slices.Contains(clock(), sel) {
			c.fault(f.path, "uses time.%s, and its layer is pure", sel)
		}
	})
}

// comment checks that the folder's package says what it owns and what it
// imports, once.
func (c *checker) comment(dir folder) {
	var comments []string
	name := ""
	for _, f := range dir.files {
		if strings.HasSuffix(f.ast.Name.Name, "_test") {
			continue
		}
		name = f.ast.Name.Name
		if f.ast.Doc != nil {
			comments = append(comments, f.ast.Doc.Text())
		}
	}
	switch {
	case name == "":
		c.fault(dir.path, "has files of a _test package only")
	case len(comments) != 1:
		c.fault(dir.path, "has %d package comments, one is needed", len(comments))
	case name == "main" && !strings.HasPrefix(strings.ToLower(comments[0]), path.Base(dir.path)+" "):
		c.fault(dir.path, "has a package comment that does not begin with the command's name")
	case name != "main" && !strings.HasPrefix(comments[0], "Package "+name+" "):
		c.fault(dir.path, "has a package comment that does not begin with %q", "Package "+name)
	case name != "main" && !(strings.Contains(comments[0], "owns") && strings.Contains(comments[0], "import")):
		c.fault(dir.path, "has a package comment that does not say what it owns and what it imports")
	}
}

// mainIsShort checks that a command only hands over to app or cli.
func (c *checker) mainIsShort(dir folder) {
	lines := 0
	for _, f := range dir.files {
		if f.ast.Name.Name == "main" && !f.test {
			lines += f.lines
		}
	}
	if strings.HasPrefix(dir.path, "cmd/") && lines > maxMainLines {
		c.fault(dir.path, "has %d lines, a main package has at most %d", lines, maxMainLines)
	}
}

// within reports whether the import path p is prefix or below it; a major
// version of a module counts as the module.
func within(p, prefix string) bool {
	return p == prefix || strings.HasPrefix(p, prefix+"/")
}
