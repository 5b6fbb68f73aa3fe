package httpapi

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns a server for handler with every limit set: no caller can
// hold a connection by being slow, or memory by being large. What net/http
// refuses before a handler sees it (a header that is too large, a request line
// that is none) has no problem document. The caller serves and shuts it down.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  15 * time.Second,
		WriteTimeout:                 30 * time.Second,
		IdleTimeout:                  60 * time.Second,
		MaxHeaderBytes:               32 << 10,
		DisableGeneralOptionsHandler: true,
	}
	if log != nil {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	}
	return s
}
