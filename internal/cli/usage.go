package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is wrong usage of the command line: exit code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// Usage tells exitCode what this is.
func (usageError) Usage() bool { return true }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// group makes a command that only has others below it: without one of them, or
// with an unknown one, it is wrong usage, and says which there are.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s needs %s", cmd.CommandPath(), commands(cmd))
		}
		return noCommand(cmd, args[0])
	}
}

func commands(cmd *cobra.Command) string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return "one of: " + strings.Join(names, ", ")
}

// noCommand says that cmd has no command of that name below it, and which it has.
func noCommand(cmd *cobra.Command, name string) error {
	if !cmd.HasSubCommands() {
		return usage("%s has no command %q", cmd.CommandPath(), name)
	}
	known := commands(cmd)
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		known = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage("%s has no command %q; %s", cmd.CommandPath(), name, known)
}

// helpTopic refuses to help with a command that there is not.
func helpTopic(cmd *cobra.Command, args []string) error {
	about, rest, err := cmd.Root().Find(args)
	if err != nil {
		return usage("%w", err)
	}
	if len(rest) > 0 {
		return noCommand(about, rest[0])
	}
	return nil
}

// flagFault says what is wrong with a flag, in words that are not the parser's.
func flagFault(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return usage("%w", err)
	}
	flag := invalid.GetFlag()
	problem := invalid.Unwrap().Error()
	switch kind := flag.Value.Type(); {
	case errors.Is(err, strconv.ErrRange):
		problem = "is out of range"
	case kind == "int":
		problem = "must be a whole number"
	case kind == "uint64":
		problem = "must be a whole number, 0 or more"
	case kind == "bool":
		problem = "must be true or false"
	}
	return usage("--%s: %q %s", flag.Name, invalid.GetValue(), problem)
}

// arguments checks the number of arguments and that none is empty: an empty one
// is a variable of a script that was not set, and must not act on another thing.
// names are those of the help; optional ones stand in brackets and may be empty.
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(names) == 0 && len(args) > 0:
			return fmt.Errorf("too many arguments: %q, and none is needed", args[0])
		case len(args) > len(names):
			return fmt.Errorf("too many arguments: %q is one more than %s", args[len(names)], strings.Join(names, " "))
		}
		var missing []string
		for i, name := range names {
			optional := strings.HasPrefix(name, "[")
			switch {
			case i >= len(args) && !optional:
				missing = append(missing, name)
			case i < len(args) && args[i] == "" && !optional:
				return fmt.Errorf("%s is empty", name)
			}
		}
		if missing != nil {
			return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
		}
		return nil
	}
}

// optionalArguments are arguments that may be left out, all of them; one that is
// given must not be empty, as those of arguments.
func optionalArguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return arguments(names...)(cmd, args)
	}
}

// required refuses a command without some of these flags, all named at once.
func required(cmd *cobra.Command, flags ...string) error {
	var missing []string
	for _, name := range flags {
		if !cmd.Flags().Changed(name) {
			missing = append(missing, "--"+name)
		}
	}
	if missing != nil {
		return usage("missing: %s", strings.Join(missing, ", "))
	}
	return nil
}

// anyOf refuses a command with none of these flags.
func anyOf(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return nil
		}
	}
	return usage("nothing to change: give one or more of --%s", strings.Join(flags, ", --"))
}

// given returns the value of a flag, nil when it was not given.
func given(cmd *cobra.Command, name string) *string {
	f := cmd.Flags().Lookup(name)
	if f == nil || !f.Changed {
		return nil
	}
	return new(f.Value.String())
}
