package httpapi

import (
	"strconv"
	"sync"
)

// How many answers of a kind that takes much memory or time a process works on
// at once, and how many of them for one owner. A caller beyond that is answered
// 429, and loses nothing by asking again.
const (
	maxBulks        = 8
	maxBulksOfOne   = 3
	maxExports      = 24
	maxExportsOfOne = 6
	maxProbes       = 32
	maxProbesOfOne  = 8
	// A test may be of any server, and must be no way to search a network.
	maxTests      = 8
	maxTestsOfOne = 2
)

// testsPerSecond is how many tests one owner may ask for over time; twice as
// many may come at once.
const testsPerSecond = 2

// gate lets a number of callers in at once.
type gate struct {
	what          string
	most, mostOne int

	mu     sync.Mutex
	all    int
	owners map[string]int
}

func newGate(what string, most, mostOne int) *gate {
	return &gate{what: what, most: most, mostOne: mostOne, owners: map[string]int{}}
}

// enter lets a caller of an owner in; leave must be called once then.
func (g *gate) enter(owner string) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.owners[owner] >= g.mostOne:
		return nil, tooMany("this token or enterprise, with " + strconv.Itoa(g.mostOne) + " " + g.what + " at work")
	case g.all >= g.most:
		return nil, tooMany("all callers together, with " + strconv.Itoa(g.most) + " " + g.what + " at work")
	}
	g.all++
	g.owners[owner]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all--
		if g.owners[owner]--; g.owners[owner] == 0 {
			delete(g.owners, owner)
		}
	}), nil
}

// owner names whose requests are counted together: those of all tokens for one
// enterprise, of which there may be any number, or of one token for all.
func (c *call) owner() string {
	if ent := c.principal.Enterprise; ent != "" {
		return "enterprise " + string(ent)
	}
	return "token " + c.principal.Token
}
