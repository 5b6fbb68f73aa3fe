package bus

import "github.com/prometheus/client_golang/prometheus"

// The ends of a reaction, as the label result of peering_reactions_total.
const (
	reactionChanged     = "changed"
	reactionUnchanged   = "unchanged"
	reactionGone        = "gone"
	reactionRevoked     = "revoked"
	reactionRefused     = "refused"
	reactionParked      = "parked"
	reactionLost        = "lost"
	reactionUndecodable = "undecodable"
)

// reactionMetrics are those of the reactions to events.
type reactionMetrics struct {
	ends *prometheus.CounterVec
	held prometheus.Gauge
	parkMetrics
}

func newReactionMetrics(reg prometheus.Registerer) reactionMetrics {
	return reactionMetrics{
		ends: shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "peering_reactions_total",
			Help: "What followed from events, one for each peer or enterprise concerned, by end: changed, unchanged, gone (the peer is not there any more), revoked (tokens of a removed enterprise), refused (by a rule; parked), parked (not decided), lost (refused, and no room to park it) or undecodable (the event). Repeats count.",
		}, []string{"result"})),
		held: shared(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "peering_reactions_held",
			Help: "Reactions that this process holds because something that they need does not work.",
		})),
		parkMetrics: newParkMetrics(reg),
	}
}
