package accounts

import (
	"errors"
	"os"
	"strings"
	"testing"
)

const (
	goodHash = "$2a$11$m7zg6ibo7BYipEUhnWw16OUtuX.ca9S6Pp8RQvULp5x56NB/rZv3e"
	goodKey  = "UAIBZACGH3ZJVKCGIUKK6Z7KQ2CO6YDIXLUYYFP27H5BQ2S64HJKGWON"
)

// good is a list of one service, as text.
const good = `services: [{name: portal, enterprises: [Acme], role: operator, credentials: [{user: portal, bcrypt: ` + goodHash + `}]}]`

func TestRead_ownExampleIsAccepted(t *testing.T) {
	f, err := os.Open("../services.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := Read(f)
	if err != nil || len(s.Services) != 2 {
		t.Fatalf("got %+v, %v", s, err)
	}
}

func TestRead_enterprisesAreInLowerCase(t *testing.T) {
	s, err := Read(strings.NewReader(good))
	if err != nil || s.Services[0].Enterprises[0] != "acme" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestRead_saysWhatIsWrong: each change of a good list is refused, with words
// that lead to it.
func TestRead_saysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"name: portal", "name: Portal", `services[0]: name must have`},
		{"name: portal", "name: 'a@b'", `services[0]: name must have`},
		{"name: portal", "name: a+admin", `services[0]: name must have`},
		{"name: portal", "name: ''", `services[0]: name must have`},
		{"name: portal", "name: " + strings.Repeat("a", 65), `services[0]: name must have`},
		{"[Acme]", "[]", `service "portal": enterprises is empty`},
		{"[Acme]", "[acme, ACME]", `enterprises[1]: acme is given twice`},
		{"[Acme]", "['acme.x']", `enterprises[0]: "acme.x"`},
		{"[Acme]", "['*']", `enterprises[0]: "*"`},
		{"[Acme]", "['>']", `enterprises[0]: ">"`},
		{"[Acme]", "['acme.>']", `enterprises[0]: "acme.>"`},
		{"role: operator", "role: root", `role must be one of`},
		{"role: operator", "role: ''", `role must be one of`},
		{"role: operator, ", "", `role must be one of`},
		{"credentials: [{user: portal, bcrypt: " + goodHash + "}]", "credentials: []", "nobody could connect"},
		{goodHash, "s3cret", "never a password"},
		{goodHash, "''", "never a password"},
		{goodHash, "$2a$11$short", "never a password"},
		{goodHash, strings.Replace(goodHash, "$11$", "$04$", 1), "cost 4"},
		{"bcrypt: " + goodHash, "password: s3cret", "field password not found"},
		{"bcrypt: " + goodHash, "nkey: " + goodKey, "give nkey, or user and bcrypt"},
		{"user: portal, bcrypt: " + goodHash, "nkey: SUAIBUYCGH3", "public key of a user"},
		{"user: portal, bcrypt: " + goodHash, "nkey: A" + goodKey[1:], "public key of a user"},
		{"user: portal, bcrypt: " + goodHash, "", "give nkey, or user and bcrypt"},
		{"user: portal", "user: api", "the user api is that of the deployment itself already"},
		{"user: portal", "user: sys", "the user sys is that of the deployment itself already"},
		{"user: portal", `user: "a b"`, "user must have"},
		{"role: operator", "rolle: operator", "field rolle not found"},
		{good, good + "\n---\n" + good, "behind the end"},
		{good, "services: 5", "services:"},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		if text == good {
			t.Fatalf("%s is not in the list", c.from)
		}
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.to, err, c.want)
		} else if strings.Contains(err.Error(), "SUAIBUYCGH3") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a secret is repeated: %v", err)
		}
	}
}

func TestRead_tellsAllFaultsAtOnce(t *testing.T) {
	_, err := Read(strings.NewReader(`services: [
		{name: a, enterprises: [acme], role: viewer, credentials: [{nkey: ` + goodKey + `}, {user: u, bcrypt: ` + goodHash + `}]},
		{name: a, enterprises: [x], role: root, credentials: [{nkey: ` + goodKey + `}, {user: u, bcrypt: ` + goodHash + `}]}]`))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 5 {
		t.Errorf("got %v", err)
	}
}

func TestRead_noServicesAreAList(t *testing.T) {
	for _, text := range []string{"", "services: []", "# none\n"} {
		if s, err := Read(strings.NewReader(text)); err != nil || len(s.Services) != 0 {
			t.Errorf("%q: got %+v, %v", text, s, err)
		}
	}
}
