package eventstore

import (
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// ConnectOptions are the options that every connection to the log needs, with
// the name it carries in the server's lists. They come first; credentials and
// addresses are the caller's.
//
// A publish is refused while there is no connection instead of being buffered:
// a buffered one would be stored after it was reported as failed. The
// connection comes back by itself for ever, and may be made before the server
// is there.
func ConnectOptions(name string, log *slog.Logger) []nats.Option {
	log = log.With("connection", name)
	return []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(nc *nats.Conn) {
			log.Info("connected to the log", "server", nc.ConnectedUrlRedacted())
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("connected to the log again", "server", nc.ConnectedUrlRedacted())
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to the log lost", "err", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("trouble on the connection to the log", "subject", subject, "err", err)
		}),
	}
}
