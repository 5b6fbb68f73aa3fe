package httpapi

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/events"
)

func pathParam(name, about, example string) *huma.Param {
	return &huma.Param{Name: name, In: "path", Required: true, Description: about, Example: example, Schema: &huma.Schema{Type: huma.TypeString}}
}

func enterpriseParam() *huma.Param {
	return pathParam("enterprise", "Id of the enterprise, in any case.", "acme")
}

func peerParam() *huma.Param {
	return pathParam("peer", "Id of the peer.", "0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3d")
}

func trustedServerParam() *huma.Param {
	return pathParam("trusted_server", "Id of the entry; that of a peer's entry is derived from the peer's.", "0198c5c7-11aa-7d10-8e5f-6a7b8c9d0e1f")
}

func textParam(name, about string, enum ...string) *huma.Param {
	s := &huma.Schema{Type: huma.TypeString}
	for _, e := range enum {
		s.Enum = append(s.Enum, e)
	}
	return &huma.Param{Name: name, In: "query", Description: about, Schema: s}
}

func boolParam(name, about string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: about, Schema: &huma.Schema{Type: huma.TypeBoolean}}
}

func numberParam(name, about string, low float64, high *float64) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: about, Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: high}}
}

func headerParam(name, about, example string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: about, Example: example, Schema: &huma.Schema{Type: huma.TypeString}}
}

func minSeqParam() *huma.Param {
	return numberParam("min_seq", "Wait until this sequence is visible, at most 5 s; else 503.", 0, nil)
}

// readParams are those of a read of one thing, besides its path.
func readParams(path ...*huma.Param) []*huma.Param {
	return append(path, minSeqParam())
}

// listParams are those of a list, besides its path; extra are its filters.
func listParams(path []*huma.Param, searched string, extra ...*huma.Param) []*huma.Param {
	most := 1000.0
	return slices.Concat(path, []*huma.Param{
		textParam("q", "Rows in which "+searched+" contains this text, in any case."),
		textParam("sort", "Column to sort by, with a leading - for descending. The cursor belongs to it."),
		numberParam("limit", "Rows of a page; 100 when not given.", 1, &most),
		textParam("cursor", "The next_cursor of the page before."),
		minSeqParam(),
	}, extra)
}

// plainListParams are those of a list of what is not in the log, so that there
// is no sequence to wait for.
func plainListParams(searched string, extra ...*huma.Param) []*huma.Param {
	return slices.DeleteFunc(listParams(nil, searched, extra...), func(p *huma.Param) bool { return p.Name == "min_seq" })
}

// addParams are those of a write that adds something, besides its path.
func addParams(path ...*huma.Param) []*huma.Param {
	return append(path,
		headerParam(headerIdempotencyKey, "Id of the command: repeated within seven days it has one effect and one answer.", "add-branch-42"),
		headerParam(headerReason, "Why; kept in the history.", "New branch office"),
		headerParam(headerOnBehalfOf, "Whom the caller acts for; kept in the history.", "j.doe"),
		headerParam(headerTraceparent, "The trace that the write belongs to (W3C Trace Context); kept with its events.", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
}

// changeParams are those of a write to something that exists.
func changeParams(path ...*huma.Param) []*huma.Param {
	return append(addParams(path...),
		headerParam(headerIfMatch, "Do it only while the revision is that of this ETag; else 412.", `"41.57"`))
}

func statuses() []string {
	all := []events.Status{
		events.StatusUnknown, events.StatusUp, events.StatusDegraded,
		events.StatusDown, events.StatusDisabled, events.StatusNA,
	}
	return texts(all)
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
