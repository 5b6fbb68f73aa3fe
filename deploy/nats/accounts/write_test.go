package accounts

import (
	"slices"
	"strings"
	"testing"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
)

func written(t *testing.T, list string) string {
	t.Helper()
	s, err := Read(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Write(&out, s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestCommands_followTheRole: those of a peer need one right, those of entries
// added by hand another, and which entry it is stands in the body.
func TestCommands_followTheRole(t *testing.T) {
	onEntries := []domain.CommandName{"ChangeTrustedServer", "EditTrustedServer", "RemoveTrustedServer", "RenameTrustedServer"}
	var operator []domain.CommandName
	for _, name := range command.Names() {
		if name != "AddTrustedServer" {
			operator = append(operator, name)
		}
	}
	for role, want := range map[access.Role][]domain.CommandName{
		access.Viewer: nil, access.Auditor: nil, "nobody": nil,
		access.Admin:    command.Names(),
		access.Operator: operator,
		access.Security: append([]domain.CommandName{"AddTrustedServer"}, onEntries...),
	} {
		if got, err := Commands(role); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s may give %v, %v; want %v", role, got, err, want)
		}
	}
}

func TestWrite_isTheSameEachTime(t *testing.T) {
	first := written(t, good)
	for range 10 {
		if written(t, good) != first {
			t.Fatal("another text")
		}
	}
}

// TestWrite_eachSubjectIsOfItsService: every export names its accounts, every
// import is one of them, and what a service publishes ends in its mark.
func TestWrite_eachSubjectIsOfItsService(t *testing.T) {
	text := written(t, `services: [
		{name: one, enterprises: [acme, globex], role: admin, events: true, credentials: [{nkey: `+goodKey+`}]},
		{name: two, enterprises: [acme], role: security, credentials: [{user: u, bcrypt: `+goodHash+`}]}]`)
	exports, imports := 0, 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		mine := "accounts: [service-one]"
		if strings.Contains(line, "@two+security") {
			mine = "accounts: [service-two]"
		}
		if strings.Contains(line, "peering.outcome") && strings.Contains(line, ".acme.*") {
			mine = "accounts: [service-one, service-two]"
		}
		switch {
		case strings.HasPrefix(line, `{ service: "`), strings.HasPrefix(line, `{ stream: "`):
			exports++
			if !strings.Contains(line, mine) {
				t.Errorf("%s is not for %s", line, mine)
			}
			if marked := strings.Contains(line, "@"); marked != (strings.Contains(line, "peering.commands.") || strings.Contains(line, "peering.rpc.")) {
				t.Errorf("%s: marked %v", line, marked)
			}
		case strings.HasPrefix(line, "{ service: {"), strings.HasPrefix(line, "{ stream: {"):
			imports++
			if !strings.Contains(line, "account: PEERING") || strings.Contains(line, "@") != strings.Contains(line, "to: ") {
				t.Errorf("%s", line)
			}
		}
	}
	if all := len(command.Names()); exports < 4*all || imports < exports || imports != exports+2 {
		t.Errorf("%d exports, %d imports", exports, imports)
	}
	for _, subject := range []string{"peering.events.acme.>", "peering.events.globex.>"} {
		if !strings.Contains(text, `{ stream: "`+subject+`", accounts: [service-one] }`) {
			t.Errorf("%s is not for one alone", subject)
		}
	}
}

func TestWrite_withoutServicesNothingIsExported(t *testing.T) {
	if text := written(t, ""); strings.Contains(text, "exports") || !strings.Contains(text, "system_account: SYS") {
		t.Errorf("got %s", text)
	}
}
