package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/config"
)

// composition is what the tests read of docker-compose.yml.
type composition struct {
	Services map[string]service `yaml:"services"`
	Secrets  map[string]secret  `yaml:"secrets"`
}

type secret struct {
	File string `yaml:"file"`
}

type service struct {
	Image       string            `yaml:"image"`
	Build       *build            `yaml:"build"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Secrets     []string          `yaml:"secrets"`
	NetworkMode string            `yaml:"network_mode"`
	Privileged  bool              `yaml:"privileged"`
	ReadOnly    bool              `yaml:"read_only"`
}

type build struct {
	Target string `yaml:"target"`
}

// programs are our own services and the role that each runs.
var programs = map[string]config.Role{"api": config.API, "projector": config.Projector, "prober": config.Prober}

// required matches a variable without a default: compose does not start without it.
var required = regexp.MustCompile(`\$\{([A-Z_]+):\?[^}]+\}`)

// secrets is where a program finds those that it is given.
const secrets = "/run/secrets/"

// admin is a file with a token.
func admin(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "admin_token")
	if err := os.WriteFile(file, []byte(strings.Repeat("0a1b2c", 8)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func compose(t *testing.T) composition {
	t.Helper()
	text := read(t, "../docker-compose.yml")
	var c composition
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCompose_hasEveryProgramAndWhatItNeeds(t *testing.T) {
	services := compose(t).Services
	for _, name := range []string{"api", "projector", "prober", "nats", "postgres"} {
		if _, ok := services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
}

// Every variable of a program is one of the settings of its role, and with them
// its configuration loads without a fault or a warning.
func TestCompose_programsAcceptTheirEnvironment(t *testing.T) {
	for name, role := range programs {
		t.Run(name, func(t *testing.T) {
			known := map[string]bool{}
			for _, s := range config.For(role) {
				known[s.Env] = true
			}
			var environ []string
			for key, value := range compose(t).Services[name].Environment {
				if !known[key] {
					t.Errorf("%s is no setting of %s", key, role)
				}
				if strings.HasPrefix(value, secrets) {
					value = admin(t)
				}
				environ = append(environ, key+"="+required.ReplaceAllString(value, "0a1b2c"))
			}
			if _, warnings, err := config.Load(role, config.Sources{Environ: environ}); err != nil || len(warnings) > 0 {
				t.Errorf("got %v, %v", err, warnings)
			}
		})
	}
}

// A program that waits in vain for a setting that has no default would only be
// noticed when it is started.
func TestCompose_withoutItsPasswordsNothingLoads(t *testing.T) {
	environ := []string{}
	for key, value := range compose(t).Services["api"].Environment {
		if !required.MatchString(value) {
			environ = append(environ, key+"="+value)
		}
	}
	if _, _, err := config.Load(config.API, config.Sources{Environ: environ}); err == nil {
		t.Error("the configuration loads without any password")
	}
}

func TestCompose_noPasswordIsWrittenDown(t *testing.T) {
	for _, fault := range passwords(compose(t)) {
		t.Error(fault)
	}
}

// passwords lists the secrets of c that are not asked for at start.
func passwords(c composition) []string {
	secret := regexp.MustCompile(`PASSWORD|SECRET|TOKEN|PASSPHRASE|PRIVATE`)
	inURL := regexp.MustCompile(`://[^/@:]*:([^@/]*)@`)
	var faults []string
	for name, s := range c.Services {
		for key, value := range s.Environment {
			given, isFile := strings.CutPrefix(value, secrets)
			if isFile && strings.HasSuffix(key, "_FILE") && slices.Contains(s.Secrets, given) {
				continue
			}
			if secret.MatchString(key) && required.FindString(value) != value {
				faults = append(faults, fmt.Sprintf("%s: %s is not ${NAME:?…} alone", name, key))
			}
			// Without the required variables, whose messages may hold anything.
			if m := inURL.FindStringSubmatch(required.ReplaceAllString(value, "")); m != nil && m[1] != "" {
				faults = append(faults, fmt.Sprintf("%s: %s has a password in its URL", name, key))
			}
			if strings.Contains(value, ":-") {
				faults = append(faults, fmt.Sprintf("%s: %s has a default", name, key))
			}
		}
	}
	for name, s := range c.Secrets {
		if required.FindString(s.File) != s.File || s.File == "" {
			faults = append(faults, fmt.Sprintf("secret %s: its file is not ${NAME:?…} alone", name))
		}
	}
	slices.Sort(faults)
	return faults
}

func TestPasswords_findsWhatIsWrittenDown(t *testing.T) {
	bad := map[string]string{
		"POSTGRES_PASSWORD":    "secret",
		"NATS_PASSWORD":        "${NATS_PASSWORD:-secret}",
		"PEERING_DATABASE_URL": "postgres://peering:secret@127.0.0.1/peering",
		"API_TOKEN":            "${API_TOKEN}",
		"API_TOKEN_FILE":       "/run/secrets/of_another",
	}
	for key, value := range bad {
		c := composition{Services: map[string]service{"s": {Environment: map[string]string{key: value}}}}
		if len(passwords(c)) == 0 {
			t.Errorf("%s=%s was not found", key, value)
		}
	}
}

// TestCompose_theAPIHasItsFirstToken, so that it may listen for others too; the
// programs that keep no tokens may not.
func TestCompose_theAPIHasItsFirstToken(t *testing.T) {
	c := compose(t)
	name, ok := strings.CutPrefix(c.Services["api"].Environment["PEERING_ADMIN_TOKEN_FILE"], secrets)
	if _, there := c.Secrets[name]; !ok || !there || !slices.Contains(c.Services["api"].Secrets, name) {
		t.Errorf("api does not get the secret %q", name)
	}
	for name := range programs {
		s := c.Services[name]
		if name != "api" && (len(s.Secrets) > 0 || s.Environment["PEERING_LISTEN"] != "") {
			t.Errorf("%s has secrets %v, and listens at %q", name, s.Secrets, s.Environment["PEERING_LISTEN"])
		}
		_, _, err := config.Load(programs[name], config.Sources{Environ: []string{
			"NATS_URL=nats://127.0.0.1:4222", "PEERING_DATABASE_URL=sqlite:x", "PEERING_LISTEN=0.0.0.0:8080",
		}})
		if (err == nil) != (name == "api") {
			t.Errorf("%s may listen for others: %v", name, err)
		}
	}
}

func TestCompose_nothingIsReachableFromOutside(t *testing.T) {
	for name, s := range compose(t).Services {
		if s.Privileged {
			t.Errorf("%s is privileged", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, p)
			}
		}
		if _, ours := programs[name]; ours && (s.NetworkMode != "host" || !s.ReadOnly) {
			t.Errorf("%s: its loopback would be the container's own, or its files can be written", name)
		}
	}
}

func TestCompose_imagesHaveAVersion(t *testing.T) {
	for name, s := range compose(t).Services {
		if s.Build != nil {
			continue
		}
		if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
			t.Errorf("%s runs %q", name, s.Image)
		}
	}
}

func TestDockerfile_hasATargetForEachProgram(t *testing.T) {
	dockerfile := read(t, "../Dockerfile")
	for name := range programs {
		target := compose(t).Services[name].Build.Target
		want := fmt.Sprintf("FROM base AS %s\nCOPY --from=build /out/%s /bin/program\n", target, name)
		if !strings.Contains(dockerfile, want) {
			t.Errorf("no stage %q copies %s", target, name)
		}
		if _, err := os.Stat("../cmd/" + name); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "FROM scratch AS base", "USER 65532:65532"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
}

var commandLine = regexp.MustCompile(`CMD (\[.*\])`)

// TestDockerfile_commandsUseFlagsThatThereAre: an image that asks itself in a
// way that its program does not know is never healthy.
func TestDockerfile_commandsUseFlagsThatThereAre(t *testing.T) {
	dockerfile := read(t, "../Dockerfile")
	found := commandLine.FindAllStringSubmatch(dockerfile, -1)
	if len(found) < 3 || !strings.Contains(dockerfile, "HEALTHCHECK") {
		t.Fatalf("found %d commands", len(found))
	}
	for _, f := range found {
		var args []string
		if err := json.Unmarshal([]byte(f[1]), &args); err != nil {
			t.Fatal(err)
		}
		roles := slices.Collect(maps.Values(programs))
		if slices.Contains(args, "serve") {
			roles = []config.Role{config.Serve}
		}
		for _, role := range roles {
			for _, arg := range args {
				if name, ok := strings.CutPrefix(arg, "--"); ok && app.Command(role).Flags().Lookup(name) == nil {
					t.Errorf("%s of %v is no flag of %s", arg, args, role)
				}
			}
		}
	}
}
