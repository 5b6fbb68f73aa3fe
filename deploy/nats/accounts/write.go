package accounts

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// inboxes are where a client of NATS waits for answers.
const inboxes = "_INBOX.>"

// Write writes the accounts of a deployment in the language of the server's
// configuration. The same services always give the same text.
func Write(w io.Writer, s Services) error {
	exports := exports{}
	var accounts bytes.Buffer
	for _, service := range s.Services {
		grants, err := service.grants()
		if err != nil {
			return err
		}
		exports.add(service.account(), grants)
		service.write(&accounts, grants)
	}
	var out bytes.Buffer
	out.WriteString("# Made from a list of services by deploy/nats/generate: do not edit.\n\naccounts {\n")
	out.WriteString("  PEERING {\n    include deployment.conf\n")
	if len(exports) > 0 {
		out.WriteString("    exports: [\n")
		exports.write(&out)
		out.WriteString("    ]\n")
	}
	out.WriteString("  }\n  SYS {\n    include system.conf\n  }\n")
	out.Write(accounts.Bytes())
	out.WriteString("}\nsystem_account: SYS\n")
	_, err := w.Write(out.Bytes())
	return err
}

// exports are the accounts that may import each grant, by what it looks like.
type exports map[grant][]string

func (e exports) add(account string, grants []grant) {
	for _, g := range grants {
		key := grant{remote: g.remote, stream: g.stream}
		e[key] = append(e[key], account)
	}
}

func (e exports) write(out *bytes.Buffer) {
	inOrder := slices.SortedFunc(maps.Keys(e), func(a, b grant) int { return strings.Compare(a.remote, b.remote) })
	for _, g := range inOrder {
		fmt.Fprintf(out, "      { %s: %q, accounts: [%s] }\n", g.kind(), g.remote, strings.Join(e[g], ", "))
	}
}

func (g grant) kind() string {
	if g.stream {
		return "stream"
	}
	return "service"
}

// write writes the account of s. Its users may publish what it imports and
// receive what it is sent, and nothing else, not even within the account.
func (s Service) write(out *bytes.Buffer, grants []grant) {
	publish, subscribe := []string{}, []string{inboxes}
	for _, g := range grants {
		if g.stream {
			subscribe = append(subscribe, g.local)
		} else {
			publish = append(publish, g.local)
		}
	}
	fmt.Fprintf(out, "  %s {\n    limits { max_connections: 64, max_subscriptions: 1024 }\n", s.account())
	fmt.Fprintf(out, "    default_permissions {\n      publish { allow: %s }\n      subscribe { allow: %s }\n    }\n", list(publish), list(subscribe))
	out.WriteString("    users: [\n")
	for _, c := range s.Credentials {
		if c.NKey != "" {
			fmt.Fprintf(out, "      { nkey: %q }\n", c.NKey)
		} else {
			fmt.Fprintf(out, "      { user: %q, password: %q }\n", c.User, c.Bcrypt)
		}
	}
	out.WriteString("    ]\n    imports: [\n")
	for _, g := range grants {
		fmt.Fprintf(out, "      { %s: { account: PEERING, subject: %q }%s }\n", g.kind(), g.remote, g.to())
	}
	out.WriteString("    ]\n  }\n")
}

// to says under which subject a service sees what it imports, when that is
// another than the deployment's.
func (g grant) to() string {
	if g.local == g.remote {
		return ""
	}
	return fmt.Sprintf(", to: %q", g.local)
}

func list(subjects []string) string {
	quoted := make([]string, len(subjects))
	for i, s := range subjects {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[\n        " + strings.Join(quoted, "\n        ") + "\n      ]"
}
