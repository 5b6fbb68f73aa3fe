package app

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/peering/peering/internal/config"
)

// newLogger writes to w as the configuration says: for people on a terminal,
// as JSON for machines.
func newLogger(w io.Writer, c config.Config) *slog.Logger {
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd())) // #nosec G115 -- a file descriptor
	if c.LogFormat == config.LogText || (c.LogFormat == config.LogAuto && terminal) {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level:   c.LogLevel,
			NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.LogLevel}))
}
