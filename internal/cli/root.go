package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

const (
	envServer = "PEERING_SERVER"
	envToken  = "PEERING_TOKEN" // #nosec G101 -- the name of a variable
	envCAFile = "PEERING_CA_FILE"

	defaultServer = "http://127.0.0.1:8080"
)

// console is what all commands share: where the server is and how to print.
type console struct {
	server, token, caFile string
	format                format
	version               string
}

// New returns the command peering: serve as it is handed in, and the commands
// that talk to a running server. version is shown by "peering version".
func New(serve *cobra.Command, version string) *cobra.Command {
	c := &console{format: formatTable, version: version}
	root := &cobra.Command{
		Use:   "peering",
		Short: "Peering between unified-communication servers",
		Long: `Keeps which servers an enterprise peers with, and which servers may connect to
it without authentication.

Run "peering serve --demo" and, in another terminal, "peering peer list demo-acme".

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule or a right,
4 not found or gone, 5 conflict.`,
		Version: version,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	flags := root.PersistentFlags()
	flags.VarP(&c.format, "output", "o", "how to print: table; json, the answer of the server, for scripts; csv, for spreadsheets: what could be a formula gets an apostrophe")
	flags.StringVar(&c.server, "server", "", "URL of the server ("+envServer+"; default "+defaultServer+")")
	flags.StringVar(&c.token, "token", "", "bearer token; better in "+envToken+", where other users do not see it")
	flags.StringVar(&c.caFile, "ca-file", "", "file with the certificates, PEM, that may sign that of an https server, instead of the system's ("+envCAFile+")")
	complete(root, "output", "table", "json", "csv")
	root.AddCommand(serve, c.enterprise(), c.peer(), c.trustedServer(), c.tokens(), c.events(), c.projections(), c.deadEvents(), c.parkedCommands(), c.versionCommand())
	return root
}

func (c *console) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Example: "  peering version",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), c.version)
			return err
		},
	}
}

// client returns the client of the server that flags or the environment name.
func (c *console) client(more ...client.Option) (*client.Client, error) {
	server := firstOf(c.server, os.Getenv(envServer), defaultServer)
	opts := append([]client.Option{
		client.WithToken(firstOf(c.token, os.Getenv(envToken))),
		client.WithUserAgent("peering/" + c.version),
	}, more...)
	if file := firstOf(c.caFile, os.Getenv(envCAFile)); file != "" {
		pem, err := os.ReadFile(file) // #nosec G304 -- the file that the caller names
		if err != nil {
			return nil, usage("--ca-file: %w", err)
		}
		opts = append(opts, client.WithRootCAs(pem))
	}
	api, err := client.New(server, opts...)
	if err != nil {
		return nil, usage("%w", err)
	}
	return api, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
