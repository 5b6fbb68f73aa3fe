// Package config owns what can be configured: the settings with their names,
// defaults and help, and how a program's configuration comes from defaults, a
// YAML file, the environment and flags, each over the one before.
//
// It imports no other package of the project. The app package takes a Config
// and runs a role with it.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
)

// Role is a program, or everything in one.
type Role string

// The roles.
const (
	Serve     Role = "serve" // every role in one process
	API       Role = "api"
	Projector Role = "projector"
	Prober    Role = "prober"
)

// Roles lists every role.
func Roles() []Role { return []Role{Serve, API, Projector, Prober} }

// Config is the complete configuration of one role. Load fills every field that
// the role uses; the others stay zero.
type Config struct {
	Role Role

	Data       string // directory of the embedded server and database
	Demo       bool
	Listen     string // of HTTP
	NATSListen string // of the embedded server; empty: in process only

	DatabaseURL string
	NATS        NATS
	Replicas    int
	LogMaxBytes int64
	MaxStore    int64

	AdminTokenFile   string   // holds the first token of a deployment that has none
	TLSCert, TLSKey  string   // files; empty: HTTP is not encrypted
	Publish          []string // enterprises that everybody may know of
	RateLimit        int      // requests a second with one token
	RateLimitAddress int      // requests a second from one address without a good token

	ProbeAllow          []string // addresses and ports that may be probed
	ProbeCAFile         string
	ProbeResolver       string // IP:PORT of a DNS server; empty: the system's
	ProbeInterval       time.Duration
	ProbeConcurrency    int
	ProbeVersionPath    string
	ProbeVersionPattern string

	LogLevel        slog.Level
	LogFormat       string // LogAuto, LogText or LogJSON
	AdminURL        string // template of a peer's administrator interface
	ShutdownTimeout time.Duration
}

// NATS says how a program reaches its NATS server.
type NATS struct {
	URL, Context   string
	Creds          string
	CA, Cert, Key  string
	User, Password string
}

// The formats of the program's own log.
const (
	LogAuto = "auto" // coloured on a terminal, JSON elsewhere
	LogText = "text"
	LogJSON = "json"
)

// Faults is everything that is wrong with a configuration, at once. Nothing was
// started; the text names each setting and where its value came from.
type Faults []Fault

// Fault is one thing that is wrong.
type Fault struct {
	Setting string // its name where it was given, such as --listen or PEERING_LISTEN
	Problem string
}

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.Setting + ": " + x.Problem
	}
	if len(lines) == 1 {
		return "configuration: " + lines[0]
	}
	return fmt.Sprintf("configuration: %d faults:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// StoreFor is how much the embedded server needs for a log of that limit and
// what goes with it: outcomes, saved states, samples, commands that wait or are
// parked. eventstore knows it exactly; this is never less.
func StoreFor(logMaxBytes int64) int64 {
	const little = 128 << 20 // what goes with a small log
	return logMaxBytes + max(logMaxBytes/5*3, little)
}

// ListensOnLoopback reports whether HTTP can be reached from this machine alone.
func (c *Config) ListensOnLoopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && isLoopback(host)
}

// validate returns what is wrong with the settings taken together; the form of
// each single value was checked when it was read. origin names where a value
// came from, unread are the keys that have none because it was wrong.
func (c *Config) validate(origin func(key string) string, unread map[string]bool) Faults {
	var faults Faults
	// check takes the settings that the rule is about; the first is blamed.
	check := func(broken bool, problem string, keys ...string) {
		if broken && !slices.ContainsFunc(keys, func(key string) bool { return unread[key] }) {
			faults = append(faults, Fault{origin(keys[0]), problem})
		}
	}
	check((c.TLSCert == "") != (c.TLSKey == ""), "tls_cert and tls_key come together", "tls_cert", "tls_key")
	if c.Role == Serve {
		check(c.Replicas != 1, "the embedded server is a single one: must be 1", "replicas")
		need := StoreFor(c.LogMaxBytes)
		check(c.MaxStore < need, fmt.Sprintf("%s is too little for %s %s: at least %s",
			bytesText(c.MaxStore), origin("log_max_bytes"), bytesText(c.LogMaxBytes), bytesText(need)), "max_store", "log_max_bytes")
		return faults
	}
	n := c.NATS
	check(n.Context != "" && (n.Creds != "" || n.User != "" || n.Cert != ""),
		"gives the credentials already: leave out NATS_CREDS, NATS_USER, NATS_CERT", "nats_context")
	check(n.Creds != "" && n.User != "", "cannot be combined with NATS_USER", "nats_creds")
	check((n.User == "") != (n.Password == ""), "NATS_USER and NATS_PASSWORD come together", "nats_user", "nats_password")
	check((n.Cert == "") != (n.Key == ""), "NATS_CERT and NATS_KEY come together", "nats_cert", "nats_key")
	return faults
}

// AsFaults returns the faults in err; ok is false when it holds none.
func AsFaults(err error) (f Faults, ok bool) {
	ok = errors.As(err, &f)
	return f, ok
}

// Usage tells the command line that this is wrong usage, not a failure.
func (f Faults) Usage() bool { return true }
