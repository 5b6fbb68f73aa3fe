package domain

import "time"

// Limits of the fields, in characters unless said otherwise. Adapters that
// describe the commands (OpenAPI, forms) take them from here.
const (
	MaxEnterpriseDescription = 128
	MaxPeerDescription       = 64 // of a trusted server too
	MaxDialingPrefix         = 20
	MaxHostname              = 253 // of the ASCII form
	MaxLabel                 = 63
	MaxVersion               = 40
	MaxMaintenanceNote       = 256

	DefaultPort = 443
	MaxPort     = 65535

	// MaxMaintenance is both how long a maintenance may last and how far ahead
	// it may be planned.
	MaxMaintenance = 366 * 24 * time.Hour

	// MaxNoticeChanges is how many changes one RaisePeerNotice may carry; a
	// notice itself never has more than one for each field.
	MaxNoticeChanges = 16

	// MaxOperations is how many operations one ChangePeers may have. What they
	// make must also fit in one write, which that of any SafeOperations does.
	MaxOperations  = 1000
	SafeOperations = maxEvents / maxEventsOfPeer
	// MaxRows is how many operations a dry run of a ChangePeers that is not atomic
	// may have: it is not written, and has to see all that will be written in
	// several.
	MaxRows = 10_000
)

const (
	// maxTombstones is how many deleted peers, and as many deleted trusted
	// servers, an enterprise's state remembers. A command to one that was
	// deleted before those is refused as not found instead of gone; the read
	// model still tells its story.
	maxTombstones = 10_000

	// maxEvents is how many events one command may make: an atomic batch.
	maxEvents = 1000

	// maxEventsOfPeer is how many events a command to one peer may make: an edit
	// of everything that can be edited.
	maxEventsOfPeer = 7

	// maxWarnings is how many entries are named one by one in warnings.
	maxWarnings = 10
)
