package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCommands_haveHelp: a line on what each does, an example that names it, and
// an argument check.
func TestCommands_haveHelp(t *testing.T) {
	serve := &cobra.Command{Use: "serve", RunE: func(*cobra.Command, []string) error { return nil }}
	var names []string
	for cmd := range tree(New(serve, "1.2.3")) {
		if cmd.HasSubCommands() || cmd == serve {
			continue
		}
		names = append(names, strings.TrimPrefix(cmd.CommandPath(), "peering "))
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help is %q", cmd.CommandPath(), cmd.Short)
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: the example is %q", cmd.CommandPath(), cmd.Example)
		}
		if cmd.Args == nil {
			t.Errorf("%s takes any argument", cmd.CommandPath())
		}
	}
	slices.Sort(names)
	want := []string{
		"dead discard", "dead list", "dead retry", "dead show",
		"enterprise describe", "enterprise list", "enterprise register", "enterprise remove",
		"enterprise set-domain", "enterprise set-server", "enterprise show",
		"events list", "events tail",
		"parked discard", "parked list", "parked retry", "parked show",
		"peer add", "peer delete", "peer disable", "peer enable", "peer export", "peer history", "peer import", "peer list",
		"peer maintenance", "peer presence-check", "peer probe", "peer rename", "peer samples", "peer set-address",
		"peer set-enterprise", "peer set-hostname", "peer set-prefix", "peer set-version", "peer show", "peer test", "peer timeline", "peer uptime",
		"projection list", "projection rebuild", "projection verify",
		"token create", "token list", "token revoke",
		"trusted add", "trusted edit", "trusted list", "trusted remove", "trusted show", "version",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got  %q\nwant %q", names, want)
	}
}

func TestCommands_writesTakeTheSameFlags(t *testing.T) {
	serve := &cobra.Command{Use: "serve", RunE: func(*cobra.Command, []string) error { return nil }}
	adds := map[string]bool{"peering enterprise register": true, "peering peer add": true, "peering trusted add": true, "peering peer import": true}
	for cmd := range tree(New(serve, "1.2.3")) {
		if cmd.HasSubCommands() || cmd == serve {
			continue
		}
		if group := cmd.Parent().Name(); group == "dead" || group == "parked" || group == "projection" || group == "token" {
			continue // they change what is read, and no fact
		}
		reads := slices.Contains([]string{"list", "show", "version", "history", "export", "tail", "probe", "test", "samples", "timeline", "uptime", "presence-check"}, cmd.Name())
		for _, name := range []string{"reason", "actor", "idempotency-key", "if-match"} {
			if name == "actor" && cmd.Flags().Lookup("command-id") != nil {
				continue // there it is a filter
			}
			want := !reads && (name != "if-match" || !adds[cmd.CommandPath()])
			if got := cmd.Flags().Lookup(name) != nil; got != want {
				t.Errorf("%s --%s: %t, want %t", cmd.CommandPath(), name, got, want)
			}
		}
	}
}
