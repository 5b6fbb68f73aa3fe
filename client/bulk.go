package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
)

// The kinds of an Operation.
const (
	OpAdd         = "add"
	OpPut         = "put" // add, or edit the peer of this description
	OpEdit        = "edit"
	OpDelete      = "delete"
	OpEnable      = "enable"
	OpDisable     = "disable"
	OpAcknowledge = "acknowledge"
)

// What can become of an operation.
const (
	Done      = "done"
	Unchanged = "unchanged" // what it asks for holds already
	Refused   = "refused"
)

// MaxAtomic is how many operations can be carried out all or none, and MaxRows
// how many one call of ChangePeers takes.
const (
	MaxAtomic = 1000
	MaxRows   = 10_000
)

// Operation is one of many changes: its kind, the peer that it is about unless
// it adds one, and the fields of that change. What is nil is not sent.
type Operation struct {
	Op               string            `json:"op"`
	Peer             PeerID            `json:"peer,omitempty"`
	Type             string            `json:"type,omitempty"`
	Description      string            `json:"description,omitempty"`
	Hostname         *string           `json:"hostname,omitempty"`
	Port             *Nullable[int]    `json:"port,omitempty"`
	Address          *Nullable[string] `json:"address,omitempty"`
	PeerEnterpriseID *string           `json:"peer_enterprise_id,omitempty"`
	DialingPrefix    *Nullable[string] `json:"dialing_prefix,omitempty"`
	Version          *Nullable[string] `json:"version,omitempty"`
	Enabled          *bool             `json:"enabled,omitempty"`
}

// Bulk is many operations. DryRun judges them and changes nothing.
type Bulk struct {
	Operations []Operation
	Atomic     bool // all or none, up to MaxAtomic; else each stands for itself
	DryRun     bool
}

// WarnResultsLost is the code of the Warning of a receipt that has no result for
// some operations, because a crash of the server lost them: they took effect or
// were refused, and the history of the command tells.
const WarnResultsLost = "results_lost"

// BulkReceipt tells what became of each operation; of some it may be lost, which
// the Warning WarnResultsLost says.
type BulkReceipt struct {
	ID       string      `json:"id"`
	Sequence Seq         `json:"sequence"`
	Results  []RowResult `json:"results"`
	Warnings []Warning   `json:"warnings"`
}

// RowResult is what became of one operation.
type RowResult struct {
	Index    int       `json:"index"` // in the operations
	Result   string    `json:"result"`
	ID       string    `json:"id"` // the peer; "": it was refused, or would be added
	Error    *RowError `json:"error"`
	Warnings []Warning `json:"warnings"`
}

// RowError is why an operation was refused.
type RowError struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// ChangePeers carries out many operations. When they are atomic and one is
// refused, nothing was done, and Error.Results has every row. Otherwise they are
// written in parts, in their order: after an error, repeat the call with the same
// IdempotencyKey, and nothing is done twice.
func (c *Client) ChangePeers(ctx context.Context, ent EnterpriseID, b Bulk, opts ...WriteOption) (BulkReceipt, error) {
	var out BulkReceipt
	r := newRequest(http.MethodPost, enterprisesPath, string(ent), "peers:bulk")
	if b.Atomic {
		r.send(map[string]any{"operations": b.Operations, "dry_run": b.DryRun})
	} else {
		r.lines(b.Operations)
		r.query.Set("dry_run", strconv.FormatBool(b.DryRun))
	}
	err := c.do(ctx, r.asWrite(opts), &out)
	return out, err
}

// lines gives the request a body of one JSON value a line.
func (r *request) lines(list []Operation) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	for _, o := range list {
		if err := enc.Encode(o); err != nil { // of the types of this package: does not happen
			r.refusal = refused(CodeMalformed, "", "the body cannot be encoded: "+err.Error())
		}
	}
	r.body = buf.Bytes()
	r.header.Set("Content-Type", "application/x-ndjson")
}
