package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) peerExport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export ENTERPRISE FILE", Short: "Write the peers to a file that can be imported", Args: arguments("ENTERPRISE", "FILE"),
		Long: `Writes the peers of an enterprise, in the order of their descriptions, as CSV, or
as JSON when the name of the file ends so or -o json is given. FILE - is standard
output. A file that is there is replaced when all is written. In CSV, what a
spreadsheet could take for a formula gets an apostrophe, which an import takes
away again.`,
		Example: "  peering peer export demo-acme peers.csv\n  peering peer export demo-acme - -o json",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		rows, err := exported(cmd.Context(), api, client.EnterpriseID(args[0]))
		if err != nil {
			return err
		}
		asJSON := c.format == formatJSON || strings.HasSuffix(strings.ToLower(args[1]), ".json")
		if err := writeFile(cmd.OutOrStdout(), args[1], func(w io.Writer) error { return writePeers(w, rows, asJSON) }); err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		if args[1] != stdio {
			fmt.Fprintf(cmd.ErrOrStderr(), "Wrote %d peers to %s.\n", len(rows), printable(args[1]))
		}
		return nil
	}
	return c.completions(cmd, enterpriseNames)
}

// exported are all peers of an enterprise, each once.
func exported(ctx context.Context, api *client.Client, ent client.EnterpriseID) ([]peerRow, error) {
	var rows []peerRow
	q := client.PeerQuery{ListQuery: client.ListQuery{Sort: "id", Limit: maxLimit}}
	for p, err := range api.AllPeers(ctx, ent, q) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, rowOfPeer(p))
	}
	sortRows(rows)
	return rows, nil
}
