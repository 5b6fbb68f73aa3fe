package archtest

import (
	"go/ast"
	"slices"
)

// house checks the rules that hold in every file, whatever its layer.
func (c *checker) house(f file) {
	if ast.IsGenerated(f.ast) {
		return
	}
	if f.lines > maxFileLines {
		c.fault(f.path, "has %d lines, a file has at most %d", f.lines, maxFileLines)
	}
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			c.fault(f.path, "has an init function; build what is needed where it is needed")
		}
	}
	f.selectors(func(name, sel string) {
		if name == "time" && sel == "Sleep" && !f.test {
			c.fault(f.path, "sleeps without a context beside it")
		}
	})
	if f.path != onlySkip && f.skips() {
		c.fault(f.path, "skips a test; testkit.Absent does, and fails where nothing may be absent")
	}
}

// onlySkip is the one file that may skip a test.
const onlySkip = "internal/testkit/absent.go"

// skips reports whether the file skips a test: on a value that it declares to be
// one of package testing, whatever its name, or that is called as such a value
// usually is, also when it is a field. Skipf and SkipNow are methods of nothing
// else here.
func (f file) skips() (found bool) {
	tests := f.testValues()
	ast.Inspect(f.ast, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch s.Sel.Name {
		case "Skipf", "SkipNow":
			found = true
		case "Skip":
			found = found || slices.Contains(tests, lastName(s.X))
		}
		return true
	})
	return found
}

// testValues are the names that values of package testing go by in the file.
func (f file) testValues() []string {
	names := []string{"t", "b", "f", "tb"}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		d, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		kind := d.Type
		if pointer, ok := kind.(*ast.StarExpr); ok {
			kind = pointer.X
		}
		s, ok := kind.(*ast.SelectorExpr)
		if !ok || lastName(s.X) != "testing" {
			return true
		}
		if len(d.Names) == 0 { // embedded: it goes by the name of its type
			names = append(names, s.Sel.Name)
		}
		for _, name := range d.Names {
			names = append(names, name.Name)
		}
		return true
	})
	return names
}

// lastName is the name that an expression ends with: that of a field, or of a
// variable.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
