package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2 // the command line is wrong
	exitRefused  = 3 // by a rule or a right
	exitNotFound = 4 // not found, or gone
	exitConflict = 5 // somebody else was faster
)

// refusedError says that a part of what was asked for was refused.
type refusedError struct {
	err  error
	hint string // what to do about it; "": nothing that is known
}

func (e refusedError) Error() string { return e.err.Error() }
func (e refusedError) Unwrap() error { return e.err }

// apiError returns the error of the API in err; nil: there is none.
func apiError(err error) *client.Error {
	var e *client.Error
	errors.As(err, &e)
	return e
}

// exitCode returns the exit code for err.
func exitCode(err error) int {
	var wrong interface{ Usage() bool }
	if errors.As(err, &wrong) && wrong.Usage() {
		return exitUsage
	}
	var partly refusedError
	if errors.As(err, &partly) {
		return exitRefused
	}
	e := apiError(err)
	if e == nil || e.Code == client.CodeUnexpected {
		return exitFailed
	}
	switch e.Code {
	case client.CodeMalformed:
		return exitUsage
	case client.CodeExists:
		return exitRefused
	case client.CodeNotFound:
		return exitNotFound
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity:
		return exitRefused
	case http.StatusNotFound, http.StatusGone:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	}
	return exitFailed
}

// hints are the lines below an error: what else is known, and what to do.
func hints(cmd *cobra.Command, err error) []string {
	var lines []string
	if exitCode(err) == exitUsage && cmd != nil {
		lines = append(lines, fmt.Sprintf("See %q.", cmd.CommandPath()+" --help"))
	}
	var partly refusedError
	if errors.As(err, &partly) && partly.hint != "" {
		lines = append(lines, partly.hint)
	}
	e := apiError(err)
	if e == nil {
		return lines
	}
	switch {
	case errors.Is(err, context.Canceled):
	case e.Untrusted():
		lines = append(lines, "A server whose certificate comes from a private authority needs that authority's: --ca-file or "+envCAFile+".")
	case e.Code == client.CodeNoAnswer:
		lines = append(lines, "Is `peering serve` running? Its address is given by --server or "+envServer+".")
	case e.Code == client.CodeUnauthenticated:
		lines = append(lines, "A token is given by "+envToken+", or by --token, where other users of this machine see it.")
	case e.Code == client.CodeStale:
		lines = append(lines, fmt.Sprintf("It is at revision %d, changed by %s at %s.", e.Current, printable(e.ChangedBy), e.ChangedAt.Local().Format(timeLayout)))
	}
	if e.Instance != "" {
		lines = append(lines, "The server's log has it as "+printable(e.Instance)+".")
	}
	if e.RetryAfter > 0 {
		lines = append(lines, fmt.Sprintf("The server asks to wait %s before the next try.", e.RetryAfter.Round(time.Second)))
	}
	if e.IdempotencyKey != "" && (e.Code == client.CodeNoAnswer || e.Status == http.StatusServiceUnavailable) {
		lines = append(lines, "It may have taken effect. To repeat it safely, add --idempotency-key "+e.IdempotencyKey)
	}
	return lines
}
