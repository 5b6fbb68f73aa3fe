package httpapi

import (
	"errors"
	"net/http"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// wellKnownPath is where a deployment says what it is, to peers that look for it
// (RFC 8615).
const wellKnownPath = "/.well-known/peering"

// WellKnown is what a deployment says about itself to everybody.
type WellKnown struct {
	Product     string                `json:"product"`
	Version     string                `json:"version"`
	Enterprises []events.EnterpriseID `json:"enterprises"` // those that are published, and exist
}

func (a *api) wellKnownRoute() {
	a.plain(wellKnownPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := WellKnown{Product: "peering", Version: a.opts.Version, Enterprises: []events.EnterpriseID{}}
		directory := a.opts.Backends().Directory
		for _, ent := range a.opts.Published {
			if directory == nil {
				a.refuse(r, starting("the database")).write(w)
				return
			}
			row, err := directory.Enterprise(r.Context(), ent)
			switch {
			case errors.Is(err, readmodel.ErrNotFound), err == nil && row.Removed != nil:
			case err != nil:
				a.refuse(r, err).write(w)
				return
			default:
				out.Enterprises = append(out.Enterprises, ent)
			}
		}
		writeJSON(w, http.StatusOK, out)
	}))
}
