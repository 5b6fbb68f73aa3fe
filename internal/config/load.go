package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// Sources is where a configuration comes from, weakest first.
type Sources struct {
	File    string            // path of a YAML file; empty: PEERING_CONFIG, if set
	Environ []string          // as os.Environ gives it
	Flags   map[string]string // the flags that were given, by name
}

// EnvFile is the environment variable that names the configuration file.
const EnvFile = "PEERING_CONFIG"

// foreign are variables with our prefix that others read: the command line's
// own and those of the tests.
var foreign = []string{EnvFile, "PEERING_SERVER", "PEERING_TOKEN", "PEERING_CA_FILE", "PEERING_TEST_DATABASE_URL", "PEERING_TEST_STRICT"}

// Load returns the configuration of role. The error is Faults, with everything
// that is wrong at once. Warnings are for the log: variables that start with
// PEERING_ and that no program knows (a misspelling, or another's).
func Load(role Role, from Sources) (c Config, warnings []string, err error) {
	r := reader{k: koanf.New("."), origins: map[string]string{}, unread: map[string]bool{}}
	env := environment(from.Environ)
	r.layer(defaults(role), func(s Setting) string { return s.Key })
	r.file(cmpOr(from.File, env[EnvFile]))
	r.layer(byEnv(env), func(s Setting) string { return s.Env })
	r.layer(byFlag(from.Flags), func(s Setting) string { return "--" + s.Flag })

	c.Role = role
	for _, s := range table() {
		if !s.usedBy(role) || !r.k.Exists(s.Key) {
			continue
		}
		if err := s.set(&c, fmt.Sprint(r.k.Get(s.Key))); err != nil {
			r.faults = append(r.faults, Fault{r.origin(s.Key), err.Error()})
			r.unread[s.Key] = true
		}
	}
	r.faults = append(r.faults, c.validate(r.origin, r.unread)...)
	if len(r.faults) > 0 {
		return Config{}, nil, r.faults
	}
	if role == Serve && c.DatabaseURL == "" {
		c.DatabaseURL = "sqlite:" + filepath.Join(c.Data, "peering.db")
	}
	return c, unknown(env), nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// reader puts the layers over each other and remembers which one gave what.
type reader struct {
	k       *koanf.Koanf
	origins map[string]string // by key
	unread  map[string]bool   // the keys whose value was meant to be another
	faults  Faults
}

func (r *reader) layer(values map[string]any, name func(Setting) string) {
	for _, s := range Settings() {
		if _, ok := values[s.Key]; ok {
			r.origins[s.Key] = name(s)
			delete(r.unread, s.Key)
		}
	}
	if err := r.k.Load(confmap.Provider(values, ""), nil); err != nil {
		r.faults = append(r.faults, Fault{"configuration", err.Error()})
	}
}

func (r *reader) file(path string) {
	if path == "" {
		return
	}
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		r.faults = append(r.faults, Fault{path, err.Error()})
		for _, s := range Settings() {
			r.unread[s.Key] = true // the file may have it
		}
		return
	}
	known := map[string]bool{}
	for _, s := range Settings() {
		known[s.Key] = true
	}
	values := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(k.All())) {
		switch v := k.Get(key).(type) {
		case nil:
			r.faults = append(r.faults, Fault{path + ": " + key, "has no value"})
			r.unread[key] = true
		default:
			if !known[key] {
				r.faults = append(r.faults, Fault{path + ": " + key, "is no setting"})
			}
			values[key] = v
		}
	}
	r.layer(values, func(s Setting) string { return path + ": " + s.Key })
}

// origin names a setting as the person who gave its value knows it.
func (r *reader) origin(key string) string {
	if o, ok := r.origins[key]; ok {
		return o
	}
	return key
}

func defaults(role Role) map[string]any {
	m := map[string]any{}
	for _, s := range For(role) {
		m[s.Key] = s.Default
	}
	return m
}

func environment(environ []string) map[string]string {
	m := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

// byEnv takes the variables of settings; an empty one is one that is not set,
// as in a compose file that hands through what may be missing.
func byEnv(env map[string]string) map[string]any {
	m := map[string]any{}
	for _, s := range Settings() {
		if v := env[s.Env]; v != "" {
			m[s.Key] = v
		}
	}
	return m
}

func byFlag(flags map[string]string) map[string]any {
	m := map[string]any{}
	for _, s := range Settings() {
		if v, ok := flags[s.Flag]; ok && s.Flag != "" {
			m[s.Key] = v
		}
	}
	return m
}

func unknown(env map[string]string) []string {
	known := map[string]bool{}
	for _, s := range Settings() {
		known[s.Env] = true
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if strings.HasPrefix(name, "PEERING_") && !known[name] && !slices.Contains(foreign, name) {
			out = append(out, name)
		}
	}
	return out
}
