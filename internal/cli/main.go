// Package cli owns the command line: the commands of peering, what they print,
// and the exit codes that scripts rely on.
//
// It imports client alone; a server role is a command that is handed in. What a
// person types leaves here as a request of the client to internal/httpapi.
package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Main runs a root command with the arguments of this process and returns the
// exit code. The command's context ends on SIGINT and SIGTERM; a second signal
// ends the process at once. An error is printed to standard error, with what to
// do about it.
func Main(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, root)
}

func run(ctx context.Context, root *cobra.Command) int {
	prepare(root)
	failed, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(root.ErrOrStderr(), "%s: %s\n", root.Name(), err)
	for _, line := range hints(failed, err) {
		fmt.Fprintln(root.ErrOrStderr(), line)
	}
	return exitCode(err)
}

// prepare makes every refusal of cobra one of ours: a wrong flag or argument is
// wrong usage, in whatever command of the tree.
func prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%w", err) })
	root.InitDefaultCompletionCmd()
	for cmd := range tree(root) {
		switch check := cmd.Args; {
		case !cmd.Runnable():
			group(cmd)
		case check != nil:
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usage("%w", err)
				}
				return nil
			}
		}
	}
}

// tree goes through a command and all below it.
func tree(cmd *cobra.Command) func(yield func(*cobra.Command) bool) {
	return func(yield func(*cobra.Command) bool) {
		if !yield(cmd) {
			return
		}
		for _, sub := range cmd.Commands() {
			for c := range tree(sub) {
				if !yield(c) {
					return
				}
			}
		}
	}
}
