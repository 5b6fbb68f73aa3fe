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
		switch {
		case name == "time" && sel == "Sleep" && !f.test:
			c.fault(f.path, "sleeps without a context beside it")
		case f.test && slices.Contains([]string{"t", "b", "f", "tb"}, name) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel):
			c.fault(f.path, "skips a test; testkit.Absent does, and fails where nothing may be absent")
		}
	})
}
