package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func stepColumns() []column[client.Step] {
	type s = client.Step
	return []column[s]{
		{field: "layer", value: func(s s) any { return s.Layer }},
		{field: "ok", value: func(s s) any { return s.OK }},
		{field: "code", wide: true, value: func(s s) any { return s.Code }},
		{field: "took_ms", value: func(s s) any { return millis(&s.TookMS) }},
		{field: "message", value: func(s s) any { return s.Message }},
	}
}

func (c *console) peerProbe() *cobra.Command {
	cmd := &cobra.Command{
		Use: "probe ENTERPRISE PEER", Short: "Look at a peer now, layer by layer", Args: arguments("ENTERPRISE", "PEER"),
		Long: `Has the prober look at a peer now, and prints what it found on each layer and
what the status is after that. It counts like any other probe; it may take some
12 seconds. Exit code 1 when the peer did not answer on every layer.`,
		Example: "  peering peer probe demo-acme Berlin",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, p, err := c.namedPeer(cmd, args)
		if err != nil {
			return err
		}
		var body bytes.Buffer
		r, err := api.ProbePeer(cmd.Context(), p.Enterprise, p.ID, client.Body(&body))
		if err != nil {
			return err
		}
		if r.Sequence != 0 {
			visible(cmd, api, p.Enterprise, r.Sequence)
		}
		if err := c.printSteps(cmd, r.Steps, &body); err != nil {
			return err
		}
		if c.format == formatTable {
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n", printable(fmt.Sprintf("The status of %q is %s%s.", p.Description, cmp.Or(r.Status, "what it was"), inBrackets(r.StatusCause, r.Steps))))
		}
		return answered(fmt.Sprintf("the peer %q", p.Description), r.OK, r.Cause, r.Steps)
	}
	return c.completions(cmd, enterpriseNames, peerNames)
}

func (c *console) peerTest() *cobra.Command {
	cmd := &cobra.Command{
		Use: "test ENTERPRISE --hostname HOSTNAME", Short: "Look at a server that is no peer yet; nothing is saved", Args: arguments("ENTERPRISE"),
		Long: `Has the prober look at a server as it would at a peer, and prints what it found
on each layer. Nothing is saved. Exit code 1 when the server did not answer on
every layer.`,
		Example: "  peering peer test demo-acme --hostname uc.vienna.example --port 8443",
	}
	cmd.Flags().String("hostname", "", "FQDN of the server, as in its certificate")
	cmd.Flags().Int("port", 0, "its port (default 443)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := required(cmd, "hostname"); err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var body bytes.Buffer
		hostname := given(cmd, "hostname")
		r, err := api.TestPeer(cmd.Context(), client.EnterpriseID(args[0]), client.PeerTest{Hostname: hostname, Port: givenInt(cmd, "port")}, client.Body(&body))
		if err != nil {
			return err
		}
		if err := c.printSteps(cmd, r.Steps, &body); err != nil {
			return err
		}
		if c.format == formatTable && r.OK {
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n", printable(fmt.Sprintf("%s answers%s.", *hostname, inBrackets(r.Cause, r.Steps))))
		}
		return answered("the server "+*hostname, r.OK, r.Cause, r.Steps)
	}
	return c.completions(cmd, enterpriseNames)
}

// printSteps prints what was found on each layer.
func (c *console) printSteps(cmd *cobra.Command, steps []client.Step, body *bytes.Buffer) error {
	if c.format == formatJSON {
		return printBody(cmd.OutOrStdout(), body)
	}
	return printList(cmd.OutOrStdout(), c.format, stepColumns(), steps)
}

// inBrackets is the cause of something, to be put behind it; without its sentence
// when that stands among the steps.
func inBrackets(cause *client.StatusCause, steps []client.Step) string {
	if cause == nil {
		return ""
	}
	if slices.ContainsFunc(steps, func(s client.Step) bool { return s.Message == cause.Message }) {
		return fmt.Sprintf(" (%s)", cause.Code)
	}
	return fmt.Sprintf(" (%s: %s)", cause.Code, strings.TrimSuffix(cause.Message, "."))
}

// answered is an error when what was looked at did not answer on every layer.
func answered(what string, ok bool, cause *client.StatusCause, steps []client.Step) error {
	if ok {
		return nil
	}
	if cause == nil {
		if at := slices.IndexFunc(steps, func(s client.Step) bool { return !s.OK }); at >= 0 {
			cause = &client.StatusCause{Layer: steps[at].Layer, Code: steps[at].Code}
		}
	}
	text := what + " did not answer"
	if cause != nil && cause.Layer == "policy" {
		text = what + " may not be probed"
	}
	if cause != nil {
		text += fmt.Sprintf(" (%s: %s)", cause.Layer, cause.Code)
	}
	return errors.New(printable(text))
}
