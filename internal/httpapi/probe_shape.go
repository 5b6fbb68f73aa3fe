package httpapi

import "github.com/peering/peering/internal/events"

// probed shows a report. One without a status is of a prober that left it as it was.
func (a *api) probed(r ProbeReport) ProbeResult {
	return ProbeResult{
		TestResult: a.tested(r), Status: orNull(string(r.Status)), StatusCause: causeOrNull(r.StatusCause), Sequence: r.Sequence,
	}
}

func (a *api) tested(r ProbeReport) TestResult {
	return TestResult{
		Steps: stepsOf(r.Steps), OK: r.OK, Cause: causeOrNull(r.Cause), Version: orNull(r.Version),
		Certificate: a.certificateOf(r.Certificate), Addresses: listed(r.Addresses), LatencyMS: numberOrNull(r.LatencyMS),
		StartedAt: r.Started.UTC(), Prober: r.Prober,
	}
}

func stepsOf(list []events.Step) []Step {
	out := make([]Step, 0, len(list))
	for _, s := range list {
		out = append(out, Step{Layer: s.Layer, OK: s.OK, Code: orNull(s.Code), Message: s.Message, TookMS: s.TookMS})
	}
	return out
}

func causeOrNull(c events.Cause) *StatusCause {
	if c == (events.Cause{}) {
		return nil
	}
	cause := StatusCause(c)
	return &cause
}

func (a *api) certificateOf(c *events.PeerCertificateSeen) *Certificate {
	if c == nil {
		return nil
	}
	return &Certificate{c.NotAfter.UTC(), daysUntil(a.now(), c.NotAfter), c.Issuer, c.Subject}
}

// numberOrNull is for a measure of which 0 says that there is none.
func numberOrNull(n float64) *float64 {
	if n == 0 {
		return nil
	}
	return &n
}

// listed is a list as JSON has it, which is never null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
