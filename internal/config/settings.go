package config

import (
	"slices"
	"strings"
)

// Setting is one thing that can be configured.
type Setting struct {
	Key     string // in the file
	Env     string
	Flag    string // without dashes
	Default string // empty: none
	Help    string
	Roles   []Role // that use it
	Secret  bool   // never shown; has no flag, because others can read a command line
}

// setting is a Setting with the function that takes its value.
type setting struct {
	Setting
	set func(*Config, string) error
}

var (
	everywhere = Roles()
	programs   = []Role{API, Projector, Prober}
	embedded   = []Role{Serve}
	withSQL    = []Role{Serve, API, Projector}
	withAPI    = []Role{Serve, API}
	withProbes = []Role{Serve, Prober}
)

// Settings lists every setting in the order in which people should read it.
func Settings() []Setting {
	var out []Setting
	for _, s := range table() {
		out = append(out, s.Setting)
	}
	return out
}

// For lists the settings that role uses, with the defaults of that role.
func For(role Role) []Setting {
	var out []Setting
	for _, s := range table() {
		if s.usedBy(role) {
			s.Default = s.defaultOf(role)
			out = append(out, s.Setting)
		}
	}
	return out
}

func (s Setting) usedBy(role Role) bool { return slices.Contains(s.Roles, role) }

// defaultOf returns the default of s for role; only where a program listens
// depends on the role, so that all of them can run on one machine.
func (s Setting) defaultOf(role Role) string {
	if s.Key != "listen" {
		return s.Default
	}
	switch role {
	case Projector:
		return "127.0.0.1:8081"
	case Prober:
		return "127.0.0.1:8082"
	default:
		return s.Default
	}
}

func table() []setting {
	t := []setting{
		entry("data", "./peering-data", embedded,
			"directory of the embedded NATS server and of SQLite", required(func(c *Config) *string { return &c.Data })),
		entry("demo", "false", embedded,
			"add the enterprise demo-acme and its peers", boolean(func(c *Config) *bool { return &c.Demo })),
		entry("listen", "127.0.0.1:8080", everywhere,
			"address of HTTP; port 0 picks a free one (projector: port 8081, prober: 8082, both on loopback alone); beyond loopback a token must exist", listenAddress),
		entry("admin_token_file", "", withAPI,
			"file with the admin token that a deployment without tokens gets as its first", readable(func(c *Config) *string { return &c.AdminTokenFile })),
		entry("tls_cert", "", withAPI,
			"file with the certificate of HTTPS and its chain, PEM; read again when it changes", readable(func(c *Config) *string { return &c.TLSCert })),
		entry("tls_key", "", withAPI,
			"file with the key of the certificate, PEM", readable(func(c *Config) *string { return &c.TLSKey })),
		entry("publish", "", withAPI,
			"enterprises that /.well-known/peering names to everybody, separated by commas", list(func(c *Config) *[]string { return &c.Publish })),
		entry("rate_limit", "1000", withAPI,
			"requests a second with one token; twice as many may come at once", count(func(c *Config) *int { return &c.RateLimit })),
		entry("rate_limit_address", "50", withAPI,
			"requests a second from one address without a good token", count(func(c *Config) *int { return &c.RateLimitAddress })),
		entry("nats_listen", "", embedded,
			"loopback address at which the embedded NATS server takes connections; empty: none", loopback(func(c *Config) *string { return &c.NATSListen })),
		entry("database_url", "", withSQL,
			"sqlite:PATH or postgres://…; serve without it: peering.db in the data directory", databaseURL),
		entry("nats_url", "nats://127.0.0.1:4222", programs,
			"NATS servers, separated by commas", natsURL),
		entry("nats_context", "", programs,
			"context of the nats command line to connect with, instead of the settings below", text(func(c *Config) *string { return &c.NATS.Context })),
		entry("nats_creds", "", programs,
			"file with the credentials", readable(func(c *Config) *string { return &c.NATS.Creds })),
		entry("nats_ca", "", programs,
			"file with the certificates of the authorities to trust", readable(func(c *Config) *string { return &c.NATS.CA })),
		entry("nats_cert", "", programs,
			"file with the client certificate", readable(func(c *Config) *string { return &c.NATS.Cert })),
		entry("nats_key", "", programs,
			"file with the key of the client certificate", readable(func(c *Config) *string { return &c.NATS.Key })),
		entry("nats_user", "", programs,
			"user name", text(func(c *Config) *string { return &c.NATS.User })),
		entry("nats_password", "", programs,
			"password of the user", text(func(c *Config) *string { return &c.NATS.Password })).secret(),
		entry("replicas", "1", everywhere,
			"copies of every stream: 1, 3 or 5; a cluster in production has 3", replicas),
		entry("log_max_bytes", "8GiB", everywhere,
			"limit of the event log; raised online, never lowered", size(func(c *Config) *int64 { return &c.LogMaxBytes })),
		entry("max_store", "13GiB", embedded,
			"limit of all that the embedded server stores; at least 1.6 times log_max_bytes, and 128 MiB more than it", size(func(c *Config) *int64 { return &c.MaxStore })),
		entry("probe_allow", "", withProbes,
			"what may be probed, separated by commas: ranges of addresses instead of the private ones, ports instead of 443 and 8443; public addresses may always be", list(func(c *Config) *[]string { return &c.ProbeAllow })),
		entry("probe_ca_file", "", withProbes,
			"file with the certificates of authorities to trust at peers, besides those of the system", readable(func(c *Config) *string { return &c.ProbeCAFile })),
		entry("probe_resolver", "", withProbes,
			"address of the DNS server that is asked for the names of peers, IP or IP:PORT; empty: those of the system", resolver),
		entry("probe_interval", "30s", withProbes,
			"time between two probes of a peer, from 1s to 1h; down after three failures, up after two successes", interval),
		entry("probe_concurrency", "256", withProbes,
			"probes at the same time", count(func(c *Config) *int { return &c.ProbeConcurrency })),
		entry("probe_version_path", "/.well-known/peering", withProbes,
			"path at which a peer tells its version", text(func(c *Config) *string { return &c.ProbeVersionPath })),
		entry("probe_version_pattern", "", withProbes,
			"regular expression whose first group is the version in the answer; empty: the member version of a JSON object", text(func(c *Config) *string { return &c.ProbeVersionPattern })),
		entry("admin_url", "https://{hostname}/", []Role{Serve, API},
			"address of a peer's administrator interface, from {hostname}, {port} and {address}", adminURL),
		entry("log_level", "info", everywhere,
			"debug, info, warn or error", level),
		entry("log_format", LogAuto, everywhere,
			"text, json, or auto: text on a terminal", oneOf(func(c *Config) *string { return &c.LogFormat }, LogAuto, LogText, LogJSON)),
		entry("shutdown_timeout", "10s", everywhere,
			"time that requests in progress get when the program stops", duration),
	}
	return t
}

// entry makes a setting whose environment and flag names follow from its key.
func entry(key, def string, roles []Role, help string, set func(*Config, string) error) setting {
	env := strings.ToUpper(key)
	if !strings.HasPrefix(key, "nats_") || key == "nats_listen" {
		env = "PEERING_" + env
	}
	return setting{
		Setting: Setting{
			Key: key, Env: env, Flag: strings.ReplaceAll(key, "_", "-"),
			Default: def, Help: help, Roles: roles,
		},
		set: set,
	}
}

func (s setting) secret() setting {
	s.Secret, s.Flag = true, ""
	return s
}
