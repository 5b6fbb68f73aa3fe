package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/config"
)

// enough is what a program needs besides its defaults.
var enough = []string{"PEERING_DATABASE_URL=postgres://peering@127.0.0.1/peering"}

func TestLoad_everyRoleStartsFromItsDefaults(t *testing.T) {
	for _, role := range config.Roles() {
		c, warnings, err := config.Load(role, config.Sources{Environ: enough})
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%s: %v %v", role, err, warnings)
		}
		if c.Listen == "" || c.LogMaxBytes == 0 || c.ShutdownTimeout == 0 || c.LogFormat == "" {
			t.Errorf("%s: incomplete defaults: %+v", role, c)
		}
	}
}

func TestLoad_programsOnOneMachineListenOnDifferentPorts(t *testing.T) {
	seen := map[string]config.Role{}
	for _, role := range []config.Role{config.API, config.Projector, config.Prober} {
		c, _, err := config.Load(role, config.Sources{Environ: enough})
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[c.Listen]; ok {
			t.Errorf("%s and %s both listen on %s", role, other, c.Listen)
		}
		seen[c.Listen] = role
	}
}

func TestLoad_serveKeepsItsDatabaseInTheDataDirectory(t *testing.T) {
	c, _, err := config.Load(config.Serve, config.Sources{Flags: map[string]string{"data": "/srv/p"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "sqlite:/srv/p/peering.db"; c.DatabaseURL != want {
		t.Errorf("got %s, want %s", c.DatabaseURL, want)
	}
}

func TestLoad_flagsOverEnvironmentOverFileOverDefaults(t *testing.T) {
	path := write(t, "listen: 127.0.0.1:1\nlog_level: error\nlog_format: json\nmax_store: 20GiB\n")
	c, _, err := config.Load(config.Serve, config.Sources{
		File:    path,
		Environ: []string{"PEERING_LISTEN=127.0.0.1:2", "PEERING_LOG_LEVEL=warn"},
		Flags:   map[string]string{"listen": "127.0.0.1:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Listen, c.LogLevel.String(), c.LogFormat, c.MaxStore, c.ShutdownTimeout}
	want := []any{"127.0.0.1:3", "WARN", "json", int64(20 << 30), 10 * time.Second}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestLoad_fileIsFoundThroughTheEnvironment(t *testing.T) {
	path := write(t, "log_format: text\n")
	c, _, err := config.Load(config.Serve, config.Sources{Environ: []string{config.EnvFile + "=" + path}})
	if err != nil || c.LogFormat != "text" {
		t.Errorf("got %q, %v", c.LogFormat, err)
	}
}

func TestLoad_everyFaultIsReportedAtOnceUnderTheNameItWasGivenBy(t *testing.T) {
	path := write(t, "log_max_bytes: lots\nlisten_on: x\n")
	_, _, err := config.Load(config.Serve, config.Sources{
		File:    path,
		Environ: []string{"PEERING_LISTEN=0.0.0.0", "PEERING_REPLICAS=3"},
		Flags:   map[string]string{"demo": "perhaps"},
	})
	var faults config.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Faults", err)
	}
	for _, name := range []string{path + ": log_max_bytes: ", path + ": listen_on: is no setting", "PEERING_LISTEN: ", "PEERING_REPLICAS: ", "--demo: "} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q is not named in:\n%v", name, err)
		}
	}
}

// faultsOf are the lines of everything that is wrong.
func faultsOf(t *testing.T, role config.Role, from config.Sources) []string {
	t.Helper()
	_, _, err := config.Load(role, from)
	faults, ok := config.AsFaults(err)
	if !ok {
		t.Fatalf("got %v, want Faults", err)
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.Setting + ": " + f.Problem
	}
	return lines
}

// TestLoad_whatWasReadIsValidated: a value that is wrong hides no other fault,
// and makes up none.
func TestLoad_whatWasReadIsValidated(t *testing.T) {
	tooSmall := "%s: 13 GiB is too little for PEERING_LOG_MAX_BYTES 20 GiB: at least 32 GiB"
	noValue := write(t, "max_store:\n")
	for name, c := range map[string]struct {
		role config.Role
		file string
		env  string
		want []string
	}{
		"one of each kind": {config.Prober, "", "NATS_USER=u PEERING_REPLICAS=7", []string{
			`PEERING_REPLICAS: "7" is none of 1, 3, 5`, "NATS_USER: NATS_USER and NATS_PASSWORD come together",
		}},
		"a value that is wrong and part of a rule": {config.Serve, "", "PEERING_REPLICAS=7", []string{`PEERING_REPLICAS: "7" is none of 1, 3, 5`}},
		"a file that is not there and part of a rule": {config.Prober, "", "NATS_CERT=/no/file NATS_KEY=" + noValue, []string{
			"NATS_CERT: open /no/file: no such file or directory",
		}},
		"a log that is too large by default":  {config.Serve, "", "PEERING_LOG_MAX_BYTES=20GiB", []string{fmt.Sprintf(tooSmall, "max_store")}},
		"a log that is too large":             {config.Serve, "", "PEERING_LOG_MAX_BYTES=20GiB PEERING_MAX_STORE=13GiB", []string{fmt.Sprintf(tooSmall, "PEERING_MAX_STORE")}},
		"a file that might have more of it":   {config.Serve, "/no/file.yaml", "PEERING_LOG_MAX_BYTES=20GiB", []string{"/no/file.yaml: open /no/file.yaml: no such file or directory"}},
		"a key that was to have a value":      {config.Serve, noValue, "PEERING_LOG_MAX_BYTES=20GiB", []string{noValue + ": max_store: has no value"}},
		"the same, though another source has": {config.Serve, noValue, "PEERING_LOG_MAX_BYTES=20GiB PEERING_MAX_STORE=13GiB", []string{noValue + ": max_store: has no value", fmt.Sprintf(tooSmall, "PEERING_MAX_STORE")}},
	} {
		t.Run(name, func(t *testing.T) {
			got := faultsOf(t, c.role, config.Sources{File: c.file, Environ: strings.Fields(c.env)})
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLoad_storeMayBeExactlyWhatTheLogNeeds(t *testing.T) {
	for _, env := range []string{
		"PEERING_LOG_MAX_BYTES=10GiB PEERING_MAX_STORE=16GiB",
		"PEERING_LOG_MAX_BYTES=1MiB PEERING_MAX_STORE=129MiB",
	} {
		if _, _, err := config.Load(config.Serve, config.Sources{Environ: strings.Fields(env)}); err != nil {
			t.Errorf("%s: %v", env, err)
		}
	}
}

func TestLoad_refuses(t *testing.T) {
	for name, tt := range map[string]struct {
		role config.Role
		env  string
		want string
	}{
		"a projector that others reach":      {config.Projector, "PEERING_LISTEN=192.0.2.1:80", "not a loopback address"},
		"a prober on every address":          {config.Prober, "PEERING_LISTEN=:80", "not a loopback address"},
		"a certificate without its key":      {config.API, "PEERING_TLS_CERT=/dev/null", "come together"},
		"no requests at all":                 {config.API, "PEERING_RATE_LIMIT=0", "above zero"},
		"an address without port":            {config.Serve, "PEERING_LISTEN=127.0.0.1", "not HOST:PORT"},
		"a port out of range":                {config.Serve, "PEERING_LISTEN=127.0.0.1:70000", "65535"},
		"an open embedded server":            {config.Serve, "PEERING_NATS_LISTEN=0.0.0.0:4222", "not a loopback address"},
		"a database nobody knows":            {config.API, "PEERING_DATABASE_URL=mysql://x", "sqlite: or postgres://"},
		"a program without a database":       {config.API, "PEERING_DATABASE_URL=", "is needed"},
		"NATS over http":                     {config.Prober, "NATS_URL=http://x:1", "nats://"},
		"credentials that are not there":     {config.Prober, "NATS_CREDS=/does/not/exist", "no such file"},
		"a user without a password":          {config.Prober, "NATS_USER=x", "come together"},
		"two ways to sign in":                {config.Prober, "NATS_CONTEXT=x NATS_USER=u NATS_PASSWORD=p", "credentials already"},
		"two replicas":                       {config.Prober, "PEERING_REPLICAS=2", "1, 3, 5"},
		"replicas on the embedded server":    {config.Serve, "PEERING_REPLICAS=3", "must be 1"},
		"no time to stop":                    {config.Prober, "PEERING_SHUTDOWN_TIMEOUT=0s", "such as 10s"},
		"a log too small for one event":      {config.Prober, "PEERING_LOG_MAX_BYTES=10kB", "at least 1.0 MiB"},
		"a resolver with a name":             {config.Prober, "PEERING_PROBE_RESOLVER=dns.example:53", "neither an IP address"},
		"a resolver without a port number":   {config.Prober, "PEERING_PROBE_RESOLVER=127.0.0.1:", "neither an IP address"},
		"an unknown level":                   {config.Serve, "PEERING_LOG_LEVEL=loud", "debug, info"},
		"an unknown format":                  {config.Serve, "PEERING_LOG_FORMAT=xml", "auto, text, json"},
		"an unknown placeholder":             {config.Serve, "PEERING_ADMIN_URL=https://{host}/", "{host} is none"},
		"an administrator URL for a script":  {config.Serve, "PEERING_ADMIN_URL=javascript:{hostname}", "not an http"},
		"a file that is not there":           {config.Serve, "PEERING_CONFIG=/does/not/exist.yaml", "no such file"},
		"a connection text with a bad value": {config.API, "PEERING_DATABASE_URL=postgres://u:p%zz@h/d", "not a valid"},
	} {
		t.Run(name, func(t *testing.T) {
			environ := append(append([]string{}, enough...), strings.Fields(tt.env)...)
			_, _, err := config.Load(tt.role, config.Sources{Environ: environ})
			if tt.env == "PEERING_DATABASE_URL=" {
				_, _, err = config.Load(tt.role, config.Sources{})
			}
			if _, ok := config.AsFaults(err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestLoad_resolverHasThePortOfTheDNSUnlessAnotherIsGiven(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "10.0.0.53": "10.0.0.53:53", "10.0.0.53:5353": "10.0.0.53:5353", "fd00::53": "[fd00::53]:53", "[fd00::53]:5353": "[fd00::53]:5353",
	} {
		c, _, err := config.Load(config.Prober, config.Sources{Environ: []string{"PEERING_PROBE_RESOLVER=" + in}})
		if err != nil || c.ProbeResolver != want {
			t.Errorf("%q: got %q, %v; want %q", in, c.ProbeResolver, err, want)
		}
	}
}

func TestLoad_neverShowsAPassword(t *testing.T) {
	_, _, err := config.Load(config.API, config.Sources{Environ: []string{
		"PEERING_DATABASE_URL=postgres://u:hunter2%zz@h/d", "NATS_PASSWORD=hunter2", "NATS_URL=nats://u:hunter2@",
	}})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_variablesNobodyKnowsAreWarnings(t *testing.T) {
	_, warnings, err := config.Load(config.Serve, config.Sources{Environ: []string{
		"PEERING_LISEN=x", "PEERING_TEST_STRICT=1", "PEERING_TOKEN=x", "OTHER=1",
	}})
	if d := cmp.Diff([]string{"PEERING_LISEN"}, warnings); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

func TestLoad_badFiles(t *testing.T) {
	for name, text := range map[string]string{
		"no YAML":  "listen: [",
		"a list":   "- listen",
		"twice":    "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n",
		"nested":   "listen:\n  host: 127.0.0.1\n",
		"no value": "listen:\n",
	} {
		if _, _, err := config.Load(config.Serve, config.Sources{File: write(t, text)}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSettings_namesFollowOneRule(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range config.Settings() {
		if seen[s.Key] || seen[s.Env] || s.Help == "" || len(s.Roles) == 0 {
			t.Errorf("%+v", s)
		}
		seen[s.Key], seen[s.Env] = true, true
		if !strings.EqualFold(s.Env, s.Key) && !strings.EqualFold(s.Env, "peering_"+s.Key) {
			t.Errorf("%s is called %s in the environment", s.Key, s.Env)
		}
		if s.Secret == (s.Flag != "") {
			t.Errorf("%s: a secret must have no flag, everything else one", s.Key)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peering.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_dataDirectoryMustHaveAName(t *testing.T) {
	_, _, err := config.Load(config.Serve, config.Sources{Flags: map[string]string{"data": ""}})
	if err == nil || !strings.Contains(err.Error(), "--data: is empty") {
		t.Errorf("got %v", err)
	}
}
