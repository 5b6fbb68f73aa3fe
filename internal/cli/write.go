package cli

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// visibleWithin is how long a write waits until reads show it.
const visibleWithin = 10 * time.Second

// order is a command that changes something of the enterprise that its first
// argument names.
type order struct {
	// adds: there is nothing yet whose revision could be compared.
	adds bool
	// check refuses wrong usage before anything is sent; nil: nothing to check.
	check func(cmd *cobra.Command, args []string) error
	// do sends the write and says what was done, as a sentence without its stop.
	do func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error)
}

// writeCommand gives cmd the flags of all writes and makes it carry out o. It
// returns only after reads show what was written, so that the next command sees
// it; when that takes too long it says so, and the write has succeeded all the
// same.
func (c *console) writeCommand(cmd *cobra.Command, o order) *cobra.Command {
	var key, reason, actor string
	var revision uint64
	flags := cmd.Flags()
	flags.StringVar(&reason, "reason", "", "why; kept in the history")
	flags.StringVar(&actor, "actor", "", "on whose behalf; kept in the history")
	flags.StringVar(&key, "idempotency-key", "", "name of this write: repeated with it within seven days it has one effect")
	if !o.adds {
		flags.Uint64Var(&revision, "if-match", 0, "do it only while the `revision` is this one (exit 5)")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.check != nil {
			if err := o.check(cmd, args); err != nil {
				return err
			}
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var body bytes.Buffer
		opts := []client.WriteOption{client.IdempotencyKey(key), client.Reason(reason), client.OnBehalfOf(actor), client.Body(&body)}
		if cmd.Flags().Changed("if-match") {
			opts = append(opts, client.IfMatch(client.Seq(revision)))
		}
		receipt, did, err := o.do(cmd, api, args, opts...)
		if err != nil {
			return err
		}
		for _, w := range receipt.Warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+printable(w.Message))
		}
		visible(cmd, api, client.EnterpriseID(args[0]), receipt.Sequence)
		return c.printReceipt(cmd, receipt, did, &body)
	}
	return cmd
}

// visible waits until reads of ent show seq, and says so when they do not.
func visible(cmd *cobra.Command, api *client.Client, ent client.EnterpriseID, seq client.Seq) {
	ctx, cancel := context.WithTimeout(cmd.Context(), visibleWithin)
	defer cancel()
	_, err := api.Enterprise(ctx, ent, client.MinSeq(seq))
	switch client.Code(err) {
	case "", client.CodeGone, client.CodeNotFound: // it was removed, which is what reads show
		return
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "warning: it is done, but lists do not show it yet: %v\n", err)
}

func (c *console) printReceipt(cmd *cobra.Command, r client.Receipt, did string, body *bytes.Buffer) error {
	out := cmd.OutOrStdout()
	switch c.format {
	case formatJSON:
		return printBody(out, body)
	case formatCSV:
		return writeCSV(out, [][]string{{"id", "sequence"}, {r.ID, strconv.FormatUint(uint64(r.Sequence), 10)}})
	default:
		_, err := fmt.Fprintf(out, "%s (id %s, sequence %d).\n", printable(did), printable(r.ID), r.Sequence)
		return err
	}
}
