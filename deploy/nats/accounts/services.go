package accounts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/events"
)

// Services are those of a deployment, as an operator writes them down.
type Services struct {
	Services []Service `yaml:"services"`
}

// Service is a program that uses the bus, with an account of its own.
type Service struct {
	Name        string       `yaml:"name"`
	Enterprises []string     `yaml:"enterprises"`
	Role        access.Role  `yaml:"role"`
	Events      bool         `yaml:"events"` // it also receives what happens in its enterprises
	Credentials []Credential `yaml:"credentials"`
}

// Credential is one way in to the account of a service: a name with the bcrypt
// hash of a password, or the public half of a key pair.
type Credential struct {
	User   string `yaml:"user"`
	Bcrypt string `yaml:"bcrypt"`
	NKey   string `yaml:"nkey"`
}

// Faults are all that is wrong with a list of services, one sentence each.
type Faults []string

func (f Faults) Error() string { return strings.Join(f, "\n") }

// Read reads the YAML of Services, with ids of enterprises in lower case. What
// it does not understand it refuses; the error is Faults when it could be read
// and breaks rules.
func Read(r io.Reader) (Services, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return Services{}, fmt.Errorf("services: %w", err)
	}
	var s Services
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return Services{}, fmt.Errorf("services: %w", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Services{}, errors.New("services: there is something behind the end of the document")
	}
	if faults := s.check(); len(faults) > 0 {
		return Services{}, faults
	}
	return s, nil
}

// check lists what is wrong with s, and writes the ids of enterprises in the
// one way that subjects have.
func (s Services) check() Faults {
	c := checker{taken: map[string]string{}}
	for _, name := range deploymentUsers() {
		c.taken["the user "+name] = "the deployment itself"
	}
	for i := range s.Services {
		c.service(i, &s.Services[i])
	}
	return c.faults
}

// deploymentUsers are the users of nats.conf and deployment.conf.
func deploymentUsers() []string { return []string{"api", "projector", "prober", "sys"} }

type checker struct {
	faults Faults
	taken  map[string]string // by whom a name or a key is used
	who    string            // what the faults are about
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, c.who+": "+fmt.Sprintf(format, args...))
}

// claim notes that what belongs to the service, once in the deployment.
func (c *checker) claim(what string) {
	if other, ok := c.taken[what]; ok {
		c.fault("%s is that of %s already", what, other)
		return
	}
	c.taken[what] = c.who
}

var serviceName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

func (c *checker) service(i int, s *Service) {
	c.who = "service " + strconv.Quote(s.Name)
	if !serviceName.MatchString(s.Name) {
		c.who = fmt.Sprintf("services[%d]", i)
		c.fault("name must have 1 to 64 lower-case letters, digits and dashes, not %q", s.Name)
	} else {
		c.claim("the name " + s.Name)
	}
	if !slices.Contains(access.Roles(), s.Role) {
		c.fault("role must be one of %v, not %q", access.Roles(), s.Role)
	}
	if len(s.Enterprises) == 0 {
		c.fault("enterprises is empty")
	}
	for j, name := range s.Enterprises {
		ent, err := events.ParseEnterpriseID(name)
		if err != nil {
			c.fault("enterprises[%d]: %q: %v", j, name, err)
			continue
		}
		if slices.Contains(s.Enterprises[:j], string(ent)) {
			c.fault("enterprises[%d]: %s is given twice", j, ent)
		}
		s.Enterprises[j] = string(ent)
	}
	if len(s.Credentials) == 0 {
		c.fault("credentials is empty: nobody could connect")
	}
	for j, one := range s.Credentials {
		c.credential(j, one)
	}
}

var (
	userName   = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,64}$`)
	bcryptHash = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
)

// minCost is the least cost of a hash: what the nats command makes has 11.
const minCost = 10

func (c *checker) credential(j int, one Credential) {
	switch {
	case one.NKey != "" && (one.User != "" || one.Bcrypt != ""), one.NKey == "" && one.User == "":
		c.fault("credentials[%d]: give nkey, or user and bcrypt", j)
	case one.NKey != "":
		if !nkeys.IsValidPublicUserKey(one.NKey) {
			// Not repeated: somebody may have taken the secret half.
			c.fault("credentials[%d]: nkey must be the public key of a user, which begins with U", j)
			return
		}
		c.claim("the nkey " + one.NKey)
	default:
		if !userName.MatchString(one.User) {
			c.fault("credentials[%d]: user must have 1 to 64 letters, digits and _ . @ -, not %q", j, one.User)
		} else {
			c.claim("the user " + one.User)
		}
		hash := bcryptHash.FindStringSubmatch(one.Bcrypt)
		if hash == nil {
			c.fault("credentials[%d]: bcrypt must be a hash such as `nats server passwd` makes, never a password", j)
			return
		}
		if cost, _ := strconv.Atoi(hash[1]); cost < minCost {
			c.fault("credentials[%d]: bcrypt has the cost %d, at least %d is asked", j, cost, minCost)
		}
	}
}
