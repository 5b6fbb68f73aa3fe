// Package cli owns the command line: the commands of peering, what they print,
// and the exit codes that scripts rely on.
//
// It imports client alone; a server role is a command that is handed in. What a
// person types leaves here as a request of the client to internal/httpapi.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// Main runs a root command with the arguments of this process and returns the
// exit code. The command's context ends on SIGINT, SIGTERM and SIGHUP (unless that
// is ignored, as nohup has it); a second signal ends the process at once. An
// error is printed to standard error, with what to do about it.
func Main(root *cobra.Command) int {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
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
	printProblem(root, err)
	fmt.Fprintf(root.ErrOrStderr(), "%s: %s\n", root.Name(), err)
	for _, line := range hints(failed, err) {
		fmt.Fprintln(root.ErrOrStderr(), line)
	}
	return exitCode(err)
}

// printProblem prints the problem document in err where JSON is asked for.
func printProblem(root *cobra.Command, err error) {
	var e *client.Error
	if f := root.Flag("output"); f != nil && f.Value.String() == string(formatJSON) && errors.As(err, &e) {
		_, _ = root.OutOrStdout().Write(e.Document) // the command has failed anyway
	}
}

// prepare makes every refusal of cobra one of ours: a wrong flag or argument is
// wrong usage, in whatever command of the tree.
func prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagFault(err) })
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for cmd := range tree(root) {
		switch check := cmd.Args; {
		case !cmd.Runnable():
			group(cmd)
		case cmd.Name() == "help":
			cmd.Args = helpTopic
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
