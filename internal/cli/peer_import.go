package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// importing is one import: the rows of a file, and what is asked for with them.
type importing struct {
	client.Bulk
	rows                  []peerRow // of the operations, in their order
	separately, ignoreIDs bool
	key, reason, actor    string
}

func (c *console) peerImport() *cobra.Command {
	i := &importing{}
	cmd := &cobra.Command{
		Use: "import ENTERPRISE FILE", Short: "Add and change peers from a file", Args: arguments("ENTERPRISE", "FILE"),
		Long: `Reads peers from a CSV file, whose header has the names of fields, or from a JSON
file with a list of objects, and adds those that are not there and changes those
that are. FILE - is standard input; what it holds is told by its first character.

Fields: ` + strings.Join(fieldNames(), ", ") + `.
A row with an id changes that peer; without one, the peer with its description
is changed, or a new one added. With --ignore-ids all go by their descriptions:
so an export fills another enterprise, or brings back peers that were deleted, as
new ones. What a row leaves empty stays, or is not given to a new one. A peer is
in a file once. Importing a file twice changes nothing the second time.

Up to 1,000 rows are carried out all or none, unless --separately is given; more
are carried out each for itself. With --dry-run nothing is changed. What became
of each row is printed; exit code 3 when one was refused, 1 when the server does
not know any more what became of one.`,
		Example: "  peering peer import demo-acme peers.csv --dry-run\n  peering peer import demo-acme peers.csv --reason \"new branches\"",
	}
	flags := cmd.Flags()
	flags.BoolVar(&i.DryRun, "dry-run", false, "judge every row and change nothing")
	flags.BoolVar(&i.separately, "separately", false, "carry out each row for itself: one that is refused does not keep the others")
	flags.BoolVar(&i.ignoreIDs, "ignore-ids", false, "go by descriptions alone: for another enterprise, or for peers that were deleted")
	flags.StringVar(&i.reason, "reason", "", "why; kept in the history")
	flags.StringVar(&i.actor, "actor", "", "on whose behalf; kept in the history")
	flags.StringVar(&i.key, "idempotency-key", "", "name of this import: repeated with it within seven days it has one effect")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := i.read(cmd, args[1]); err != nil {
			return err
		}
		return c.carryOut(cmd, client.EnterpriseID(args[0]), i)
	}
	return c.completions(cmd, enterpriseNames)
}

// read reads the file and makes its rows operations.
func (i *importing) read(cmd *cobra.Command, file string) error {
	rows, err := readPeers(cmd.InOrStdin(), file, i.ignoreIDs)
	if err != nil {
		return usage("%s: %w", file, err)
	}
	if n := len(rows); n == 0 || n > client.MaxRows {
		return usage("%s: has %d rows; 1 to %d can be imported at once", file, n, client.MaxRows)
	}
	for _, row := range rows {
		i.Operations = append(i.Operations, row.operation())
	}
	i.rows = rows
	i.Atomic = len(rows) <= client.MaxAtomic && !i.separately
	return nil
}

// carryOut sends an import and prints what became of its rows.
func (c *console) carryOut(cmd *cobra.Command, ent client.EnterpriseID, i *importing) error {
	api, err := c.client(client.WithTimeout(importTimeout), client.WithRetries(client.DefaultTries, 2*importTimeout))
	if err != nil {
		return err
	}
	var body bytes.Buffer
	receipt, err := api.ChangePeers(cmd.Context(), ent, i.Bulk,
		client.IdempotencyKey(i.key), client.Reason(i.reason), client.OnBehalfOf(i.actor), client.Body(&body))
	if e := apiError(err); e != nil && len(e.Results) > 0 {
		refusal := refusedError{fmt.Errorf("nothing was changed: %w", err), i.hint(e.Results)}
		if c.format == formatJSON { // the problem document has the rows
			return refusal
		}
		return errors.Join(refusal, c.printRows(cmd, i, e.Results, false))
	}
	if err != nil {
		return err
	}
	for _, w := range receipt.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+printable(w.Message))
	}
	if !i.DryRun {
		visible(cmd, api, ent, receipt.Sequence)
	}
	if c.format == formatJSON {
		err = printBody(cmd.OutOrStdout(), &body)
	} else {
		err = c.printRows(cmd, i, receipt.Results, !i.DryRun)
	}
	return errors.Join(err, i.outcome(receipt))
}
