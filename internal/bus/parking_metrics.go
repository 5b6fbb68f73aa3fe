package bus

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// parkedFor is how long a number of parked commands is shown.
	parkedFor = 15 * time.Second
	// parkedWithin is how long whoever reads the metrics waits for it.
	parkedWithin = 2 * time.Second
)

// parkedCollector shows how many commands are parked.
type parkedCollector struct {
	count func(context.Context) (uint64, error)
	now   func() time.Time
	desc  *prometheus.Desc

	mu    sync.Mutex
	asked time.Time // zero: never
	n     uint64
	known bool
}

// NewParkedCollector returns the metric peering_parked_commands, from Lot.Count.
// The streams are asked when it is read, at most every 15 s; while they do not
// answer there is no value.
func NewParkedCollector(count func(context.Context) (uint64, error), now func() time.Time) prometheus.Collector {
	return &parkedCollector{count: count, now: now, desc: prometheus.NewDesc(
		"peering_parked_commands", "Commands that could not be handled and wait for an operator, or for what one decided to be carried out. No value while the streams do not answer.", nil, nil,
	)}
}

// Describe implements prometheus.Collector.
func (c *parkedCollector) Describe(descs chan<- *prometheus.Desc) { descs <- c.desc }

// Collect implements prometheus.Collector.
func (c *parkedCollector) Collect(metrics chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.asked.IsZero() || now.Sub(c.asked) >= parkedFor {
		ctx, cancel := context.WithTimeout(context.Background(), parkedWithin)
		defer cancel()
		n, err := c.count(ctx)
		c.asked, c.n, c.known = now, n, err == nil
	}
	if c.known {
		metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(c.n))
	}
}
