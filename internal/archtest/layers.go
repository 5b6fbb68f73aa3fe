package archtest

// Layer says what one package of the project may import. Test files may import
// more: they stand outside the flow.
type Layer struct {
	// Imports are the packages of this project that may be imported. "*" is all
	// of them that a program is made of.
	Imports []string

	// Pure forbids everything that waits, looks at the clock, reaches outside
	// the process or logs, and every library that is not in Libraries.
	Pure      bool
	Libraries []string

	// Support marks code that only tests and benchmarks use. It may import the
	// libraries for tests, and no layer but another support one may import it.
	Support bool
}

// Layers is the map of the tree, from the centre to the edges. Keys are folders,
// "*" stands for one element. A folder that is not here is a fault.
func Layers() map[string]Layer {
	return map[string]Layer{
		"internal/events": {Pure: true},
		"internal/domain": {
			Imports:   []string{"internal/events"},
			Pure:      true,
			Libraries: []string{"github.com/hashicorp/go-version", "golang.org/x/net/idna"},
		},
		"internal/eventstore": {Imports: []string{"internal/events"}},
		"internal/command":    {Imports: []string{"internal/domain", "internal/events", "internal/eventstore"}},
		"internal/bus":        {Imports: []string{"internal/access", "internal/command", "internal/domain", "internal/events", "internal/eventstore", "internal/readmodel"}},
		"internal/projection": {Imports: []string{"internal/events", "internal/readmodel"}},
		"internal/readmodel":  {Imports: []string{"internal/events"}},
		"internal/probe":      {Imports: []string{"internal/events"}},
		"internal/prober":     {Imports: []string{"internal/domain", "internal/events", "internal/eventstore", "internal/probe"}},
		"internal/access":     {Imports: []string{"internal/readmodel", "internal/domain", "internal/events"}},
		"internal/httpapi":    {Imports: []string{"internal/access", "internal/command", "internal/readmodel", "internal/domain", "internal/events"}},
		"internal/dashboard":  {Imports: []string{"internal/access", "internal/command", "internal/readmodel", "internal/domain", "internal/events"}},

		"client":             {},
		"internal/cli":       {Imports: []string{"client"}},
		"internal/config":    {},
		"internal/embednats": {},
		"internal/demo":      {},
		"internal/app":       {Imports: []string{"*"}},
		"cmd/*":              {Imports: []string{"internal/app", "internal/cli", "internal/config"}},

		"internal/domain/domaintest":    {Imports: []string{"internal/domain", "internal/events"}, Support: true},
		"internal/eventstore/storetest": {Imports: []string{"internal/events", "internal/eventstore", "internal/testkit"}, Support: true},
		"internal/testkit":              {Imports: []string{"internal/events", "internal/embednats"}, Support: true},
		"internal/archtest":             {Support: true},
		"internal/e2e":                  {Imports: []string{"*"}, Support: true},
		"deploy":                        {Support: true},
		"deploy/nats/accounts":          {Imports: []string{"internal/access", "internal/command", "internal/domain", "internal/events"}},
		"deploy/nats/generate":          {Imports: []string{"deploy/nats/accounts"}},
		"bench":                         {Imports: []string{"*"}, Support: true},
		"bench/*":                       {Imports: []string{"*"}, Support: true},
	}
}

// Owners names the libraries that only certain packages may import, test files
// included, so that each can be replaced in one place.
func Owners() map[string][]string {
	return map[string][]string{
		"code.dny.dev/ssrf":                       {"internal/probe"},
		"github.com/ThreeDotsLabs/watermill":      {"internal/bus"},
		"github.com/ThreeDotsLabs/watermill-nats": {"internal/bus"},
		"github.com/jmoiron/sqlx":                 {"internal/readmodel"},
		"github.com/danielgtaylor/huma":           {"internal/httpapi"},
		"github.com/spf13/cobra":                  {"internal/cli", "internal/app"},
		"github.com/jedib0t/go-pretty":            {"internal/cli"},
		"github.com/knadh/koanf":                  {"internal/config"},
		"github.com/nats-io/nats-server":          {"internal/embednats", "internal/testkit", "bench", "deploy"},
	}
}

// testLibraries may be imported by test files and by support packages only.
func testLibraries() []string {
	return []string{
		"testing",
		"github.com/Shopify/toxiproxy",
		"github.com/anishathalye/porcupine",
		"github.com/google/go-cmp",
		"github.com/miekg/dns",
		"github.com/pb33f/jsonschema",
		"github.com/pb33f/libopenapi",
		"github.com/pb33f/libopenapi-validator",
		"github.com/peterldowns/pgtestdb",
		"github.com/rogpeppe/go-internal",
		"github.com/rs/zerolog",
		"go.uber.org/goleak",
		"golang.org/x/tools",
		"pgregory.net/rapid",
	}
}

// impure lists what a pure package may not import from the standard library,
// each with all that is below it.
func impure() []string {
	return []string{
		"context", "crypto/rand", "crypto/tls", "database", "expvar", "io/fs",
		"io/ioutil", "log", "math/rand", "net", "os", "plugin", "runtime",
		"sync", "syscall", "testing", "unsafe",
	}
}

// stillPure lists the packages below an impure one that are pure all the same.
func stillPure() []string { return []string{"net/netip", "net/url"} }

// clock lists the functions of package time that read a clock or wait.
func clock() []string {
	return []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}
}
