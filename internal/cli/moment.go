package cli

import (
	"time"

	"github.com/spf13/cobra"
)

// moment is the value of a flag that is a time.
type moment struct{ at *time.Time }

// timeVar adds a flag that is a time with its offset.
func timeVar(cmd *cobra.Command, at *time.Time, name, about string) {
	cmd.Flags().Var(moment{at}, name, about)
}

// String implements pflag.Value.
func (m moment) String() string {
	if m.at == nil || m.at.IsZero() {
		return ""
	}
	return m.at.Format(time.RFC3339)
}

// Type implements pflag.Value.
func (m moment) Type() string { return "time" }

// Set implements pflag.Value.
func (m moment) Set(s string) error {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return usage("must be a time with its offset such as 2026-01-31T12:00:00Z")
	}
	*m.at = at
	return nil
}
