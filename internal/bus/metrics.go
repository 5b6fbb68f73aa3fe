package bus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// The ends of a message, as the label result of peering_bus_commands_total,
// besides the results of commands.
const (
	endParked   = "parked"
	endLost     = "lost"
	endReleased = "released"
	endForged   = "forged"
)

// commandMetrics are those of the commands that come over the bus.
type commandMetrics struct {
	ends       *prometheus.CounterVec
	duration   prometheus.Histogram
	redelivery prometheus.Counter
	held       prometheus.Gauge
	parkMetrics
}

// parkMetrics are those of whatever parks commands.
type parkMetrics struct {
	parked *prometheus.CounterVec
	lost   prometheus.Counter
}

func newCommandMetrics(reg prometheus.Registerer) commandMetrics {
	return commandMetrics{
		ends: shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "peering_bus_commands_total",
			Help: "Messages of the bus by end: accepted, rejected, failed, parked, lost (garbage that found the parked commands full), released (to another process, by one that stops) or forged (not delivered by the queue, ignored). Repeats count.",
		}, []string{"result"})),
		duration: shared(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "peering_bus_command_duration_seconds",
			Help:    "Time from the delivery of a message of the bus to its end, without the acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16), // 0.5 ms to 16 s
		})),
		redelivery: shared(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "peering_bus_redeliveries_total",
			Help: "Messages of the bus that were delivered before without an end.",
		})),
		held: shared(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "peering_bus_held_commands",
			Help: "Messages of the bus that this process holds because nothing can be decided or parked now, or because an earlier one waits in another partition; one for each partition that waits, and one while it takes none.",
		})),
		parkMetrics: newParkMetrics(reg),
	}
}

func newParkMetrics(reg prometheus.Registerer) parkMetrics {
	return parkMetrics{
		parked: shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "peering_parked_total",
			Help: "Commands that were parked, by reason.",
		}, []string{"reason"})),
		lost: shared(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "peering_parked_lost_total",
			Help: "Messages that never were commands and could not be parked because there was no room.",
		})),
	}
}

// shared registers c with reg, or returns what another part of the process has
// registered under its name. nil: it is counted for nobody.
func shared[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if known, ok := there.ExistingCollector.(C); ok {
			return known
		}
	}
	return c
}
