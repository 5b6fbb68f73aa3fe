package command

import (
	"encoding/json"

	"github.com/peering/peering/internal/domain"
)

const (
	// WarnResultsLost is the code of the warning that the command took effect, and
	// that what became of each of its operations is not known any more, because a
	// crash kept its outcome from being stored. The history, asked for the command
	// id, tells what was done.
	WarnResultsLost = "results_lost"

	// maxResults is how many bytes of JSON results may take, so that an outcome
	// fits in a message whatever the operations come to.
	maxResults = 512 << 10
	// maxResultMsg is how long a sentence in results that are too long may be.
	maxResultMsg = 160
)

func resultsLost() []domain.Warning {
	return []domain.Warning{{
		Code:    WarnResultsLost,
		Message: "the command took effect; what became of each operation was lost in a crash: see the history of this command id",
	}}
}

// fitting returns results, with shorter words if they are too long: the same
// for the same results, so that everybody is told the same.
func fitting(results []domain.OperationResult) []domain.OperationResult {
	if data, err := json.Marshal(results); err == nil && len(data) <= maxResults {
		return results
	}
	short := make([]domain.OperationResult, len(results))
	for i, r := range results {
		if len(r.Warnings) > 0 {
			r.Warnings = []domain.Warning{{
				Code:    r.Warnings[0].Code,
				Message: "a host that this withdraws is still trusted: see the trusted servers",
			}}
		}
		r.Error = shortened(r.Error)
		short[i] = r
	}
	return short
}

// shortened leaves out the story of a removal, the one thing in a refusal that
// has words of people in it and so may be long.
func shortened(refusal *domain.Error) *domain.Error {
	if refusal == nil {
		return nil
	}
	short := &domain.Error{Code: refusal.Code, Field: refusal.Field, Msg: clipTo(refusal.Msg, maxResultMsg), Peer: refusal.Peer}
	if refusal.Gone != nil {
		short.Msg = "the peer was removed: its history tells by whom and why"
	}
	return short
}
