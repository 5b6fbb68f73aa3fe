package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const samplesPath = peerPath + "/samples"

// Sample is one probe of a peer.
type Sample struct {
	StartedAt time.Time    `json:"started_at"`
	OK        bool         `json:"ok" doc:"The peer answered on every layer."`
	Cause     *StatusCause `json:"cause" doc:"What failed or, of a peer that answered, needs attention."`
	LatencyMS *float64     `json:"latency_ms" doc:"Milliseconds from the first connect to the answer; null: there was none."`
	Steps     []Step       `json:"steps" nullable:"false"`
	Addresses []string     `json:"addresses" nullable:"false" doc:"That the hostname stood for." example:"192.0.2.20"`
	Version   *string      `json:"version" doc:"That it showed; null: none." example:"9.7.1"`
	ByHand    bool         `json:"by_hand" doc:"Somebody asked for it."`
	Prober    string       `json:"prober" doc:"Which prober looked."`
	ConfigSeq events.Seq   `json:"config_seq" doc:"The configuration event that the peer was probed under."`
}

// TransformSchema implements huma.SchemaTransformer.
func (Sample) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "cause")
}

func (a *api) sampleRoutes() {
	most := float64(events.SamplesPerPeer)
	register(a, operation{
		id: "list-samples", tag: peerTag, method: http.MethodGet, path: samplesPath, needs: []need{theDirectory, theSamples},
		summary: "List the last probes of a peer",
		about:   "The newest first, with what was found on each layer. Only the last ones are kept, and some may be missing: what follows from them is in the timeline.",
		params: []*huma.Param{
			enterpriseParam(), peerParam(),
			numberParam("limit", "How many; all that are kept when not given.", 1, &most), minSeqParam(),
		},
		codes: []domain.Code{domain.NotFound, domain.Gone},
	}, a.listSamples)
}

func (a *api) listSamples(ctx context.Context, c *call) (*reply[List[Sample]], error) {
	row, err := c.livingPeer(ctx)
	if err != nil {
		return nil, err
	}
	limit := int(c.number("limit"))
	if limit == 0 {
		limit = events.SamplesPerPeer
	}
	list, err := within(ctx, readTimeout, func(ctx context.Context) ([]events.Sample, error) {
		return c.Samples.Samples(ctx, row.Enterprise, row.ID, limit)
	})
	if err != nil {
		return nil, err
	}
	return listOf(readmodel.Page[events.Sample]{Items: list, Sequence: noSequence}, sampleOf), nil
}

func sampleOf(s events.Sample) Sample {
	return Sample{
		StartedAt: s.Started.UTC(), OK: s.OK, Cause: causeOrNull(s.Cause), LatencyMS: numberOrNull(s.LatencyMS),
		Steps: stepsOf(s.Steps), Addresses: listed(s.Addresses), Version: orNull(s.Version),
		ByHand: s.ByHand, Prober: s.Prober, ConfigSeq: s.ConfigSeq,
	}
}
