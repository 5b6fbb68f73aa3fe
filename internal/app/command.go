package app

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/peering/peering/internal/config"
)

var about = map[config.Role][2]string{
	config.Serve: {"Run everything in one process", `Runs every role in one process, on an embedded NATS server and SQLite. Nothing
else is needed; everything it keeps is in the data directory.

Standard output gets only where it listens: http=HOST:PORT, and with
--nats-listen nats=HOST:PORT. Its log goes to standard error.`},
	config.API: {"Decide: the HTTP API", `Runs the HTTP API on a NATS server and a database given by configuration. Any
number of them may run.`},
	config.Projector: {"Follow the log: the read models", `Follows the log and keeps the read models in a database. Several may run; one is
active and the others stand by.`},
	config.Prober: {"Look outside: probe the peers", `Follows the log for the peers that are to be probed, probes its share of them and
reports what changes. Any number of them may run: they share the peers out among
themselves.`},
}

// Command returns the cobra command that runs a role until its context ends.
// Its flags are the settings that the role uses.
func Command(role config.Role) *cobra.Command {
	name := string(role)
	if role != config.Serve {
		name = "peering-" + name
	}
	var file string
	var asks bool
	cmd := &cobra.Command{
		Use: name, Short: about[role][0], Long: about[role][1],
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		Version: Version(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := map[string]string{}
			cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() }) // config takes those it knows
			c, unknown, err := config.Load(role, config.Sources{File: file, Environ: os.Environ(), Flags: given})
			if err != nil {
				return err
			}
			if asks {
				return healthcheck(cmd.Context(), c)
			}
			log := newLogger(cmd.ErrOrStderr(), c)
			for _, name := range unknown {
				log.Warn("an environment variable is none of the settings", "name", name)
			}
			return Run(cmd.Context(), c, cmd.OutOrStdout(), log)
		},
	}
	addFlags(cmd.Flags(), &file, role)
	cmd.Flags().BoolVar(&asks, "healthcheck", false, "run nothing: ask the one that listens at --listen whether it is ready")
	return cmd
}

func addFlags(flags *pflag.FlagSet, file *string, role config.Role) {
	flags.StringVar(file, "config", "", "configuration file, YAML ("+config.EnvFile+")")
	for _, s := range config.For(role) {
		if s.Flag == "" {
			continue
		}
		flags.String(s.Flag, s.Default, s.Help+" ("+s.Env+")")
		if s.Default == "false" {
			flags.Lookup(s.Flag).NoOptDefVal = "true"
		}
	}
}
