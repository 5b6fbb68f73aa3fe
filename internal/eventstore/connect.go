package eventstore

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// ConnectOptions are the options that every connection to the log needs, with
// the name it carries in the server's lists. They come first; credentials and
// addresses are the caller's.
//
// A publish is refused while there is no connection instead of being buffered:
// a buffered one would be stored after it was reported as failed. The
// connection comes back by itself for ever, also when the server turned the user
// away for a while, and may be made before the server is there. Why it does not
// come is logged once for each reason.
func ConnectOptions(name string, log *slog.Logger) []nats.Option {
	log = log.With("connection", name)
	var said atomic.Value // what was told of the connection last
	news := func(err error) bool {
		why := strings.ToLower(err.Error())
		return said.Swap(why) != why
	}
	return []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.RetryOnFailedConnect(true),
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(nc *nats.Conn) {
			said.Store("")
			log.Info("connected to the log", "server", nc.ConnectedUrlRedacted())
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			said.Store("")
			log.Info("connected to the log again", "server", nc.ConnectedUrlRedacted())
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if news(err) {
				log.Warn("no connection to the log, it is tried again", "err", err)
			}
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to the log lost", "err", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			switch {
			case sub != nil:
				log.Warn("trouble on the connection to the log", "subject", sub.Subject, "err", err)
			case news(err):
				log.Warn("trouble on the connection to the log", "err", err)
			}
		}),
	}
}
