package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

const (
	bulkPath = peersPath + ":bulk"
	// maxLines is the largest body of lines in bytes: room for domain.MaxRows.
	maxLines = 16 << 20
	// bulkTimeout bounds a request of many parts.
	bulkTimeout = 25 * time.Second
)

// RowResult is what became of one operation.
type RowResult struct {
	Index    int                 `json:"index" doc:"Place of the operation in the request, from nought."`
	Result   domain.OperationEnd `json:"result" enum:"done,unchanged,refused"`
	ID       *string             `json:"id" doc:"The peer acted on, or added; null: it was refused, or would be added."`
	Error    *RowError           `json:"error" doc:"Why it was refused."`
	Warnings []domain.Warning    `json:"warnings,omitempty" nullable:"false"`
}

// TransformSchema implements huma.SchemaTransformer.
func (RowResult) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "error")
}

// RowError is a refusal of one operation.
type RowError struct {
	Code    domain.Code `json:"code" example:"exists"`
	Field   string      `json:"field,omitempty" example:"description"`
	Message string      `json:"message"`
}

// BulkReply is the answer to many operations.
type BulkReply struct {
	ID       string           `json:"id" doc:"The enterprise."`
	Sequence events.Seq       `json:"sequence" doc:"Pass it as min_seq to read the effect."`
	Results  []RowResult      `json:"results" nullable:"false" doc:"One for each operation, in their order."`
	Warnings []domain.Warning `json:"warnings,omitempty" nullable:"false"`
}

func rowsOf(list []domain.OperationResult) []RowResult {
	var out []RowResult
	for _, r := range list {
		out = append(out, rowOf(r))
	}
	return out
}

func rowOf(r domain.OperationResult) RowResult {
	row := RowResult{Index: r.Index, Result: r.Result, ID: orNull(r.ID), Warnings: r.Warnings}
	if e := r.Error; e != nil {
		row.Error = &RowError{e.Code, e.Field, e.Msg}
	}
	return row
}

// bulkInput and operationInput describe the body in the OpenAPI document.
// Nothing is read into them.
type bulkInput struct {
	_          struct{}         `additionalProperties:"false"`
	DryRun     bool             `json:"dry_run,omitempty" doc:"Judge everything and change nothing."`
	Atomic     bool             `json:"atomic,omitempty" default:"true" doc:"All of them or none; with false each stands for itself."`
	Operations []operationInput `json:"operations" nullable:"false" minItems:"1" maxItems:"1000"`
}

type operationInput struct {
	_                struct{} `additionalProperties:"false"`
	Op               string   `json:"op" enum:"add,put,edit,delete,enable,disable,acknowledge" doc:"put adds the peer, or edits the one with this description to what is given."`
	Peer             string   `json:"peer,omitempty" doc:"Id of the peer; not with add and put."`
	Type             string   `json:"type,omitempty" enum:"micollab,external"`
	Description      string   `json:"description,omitempty" maxLength:"64"`
	Hostname         *string  `json:"hostname,omitempty" nullable:"true"`
	Port             *int     `json:"port,omitempty" nullable:"true" minimum:"1" maximum:"65535"`
	Address          *string  `json:"address,omitempty" nullable:"true"`
	PeerEnterpriseID *string  `json:"peer_enterprise_id,omitempty" nullable:"true"`
	DialingPrefix    *string  `json:"dialing_prefix,omitempty" nullable:"true" maxLength:"20"`
	Version          *string  `json:"version,omitempty" nullable:"true"`
	Enabled          *bool    `json:"enabled,omitempty"`
}

func bulkDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.ChangePeers{}.Name(), schema: reflect.TypeFor[bulkInput](), lines: reflect.TypeFor[operationInput](),
		line: map[string]any{"op": "put", "type": "micollab", "description": "Branch Lyon", "hostname": "uc1.lyon.example", "peer_enterprise_id": "lyon"},
		examples: map[string]any{
			"Disable two": map[string]any{"operations": []any{
				map[string]any{"op": "disable", "peer": "0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3d"},
				map[string]any{"op": "disable", "peer": "0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3e"},
			}},
			"Try an import": map[string]any{"dry_run": true, "operations": []any{
				map[string]any{"op": "put", "type": "micollab", "description": "Branch Lyon", "hostname": "uc1.lyon.example", "peer_enterprise_id": "lyon"},
			}},
		},
	}
}

func (a *api) bulkRoutes() {
	register(a, operation{
		id: "change-peers", tag: peerTag, method: http.MethodPost, path: bulkPath, right: access.ChangePeers,
		summary: "Change many peers",
		about: "Up to 1,000 operations as JSON, all or none unless atomic is false. As application/x-ndjson, one operation a line, up to 10,000: each stands for itself, " +
			"and they are written in parts; when that breaks off, repeat the request with the same Idempotency-Key, and nothing is done twice. " +
			"The history has the key as command_id of the first part and as correlation_id of all.",
		params: append(addParams(enterpriseParam()),
			boolParam("dry_run", "For lines: judge everything and change nothing."),
			boolParam("atomic", "For lines: all of them or none; then up to 1,000.")),
		body:  bulkDoc(),
		codes: []domain.Code{domain.NotFound, domain.Gone, domain.Exists, domain.Unsupported},
	}, a.changePeers)
}

// row is an operation of the request, or why it is none.
type row struct {
	op      domain.PeerOperation
	refusal *domain.Error
}

// batch is what a bulk request asks for.
type batch struct {
	rows           []row
	atomic, dryRun bool
}

func (a *api) changePeers(ctx context.Context, c *call) (*reply[BulkReply], error) {
	ent, err := c.enterprise()
	if err != nil {
		return nil, err
	}
	if err := c.noIfMatch(); err != nil {
		return nil, err
	}
	leave, err := a.bulks.enter(c.owner())
	if err != nil {
		return nil, err
	}
	defer leave()
	b, err := c.batch()
	if err != nil {
		return nil, err
	}
	req, err := c.request(ent, nil)
	if err != nil {
		return nil, err
	}
	req.DryRun = b.dryRun
	ctx, cancel := context.WithTimeout(ctx, bulkTimeout)
	defer cancel()
	out := outcome{results: make([]*RowResult, len(b.rows))}
	for _, part := range b.parts() {
		if err := c.changePart(ctx, req, b, part, &out); err != nil {
			return nil, brokenOff(err, part, &out)
		}
	}
	return &reply[BulkReply]{Body: BulkReply{ID: string(ent), Sequence: out.sequence, Results: out.known(), Warnings: out.warnings}}, nil
}

// outcome is what became of the rows, as far as they were carried out.
type outcome struct {
	sequence events.Seq
	results  []*RowResult // of each row; nil: not known
	warnings []domain.Warning
}

// known are the results there are.
func (o *outcome) known() []RowResult {
	out := make([]RowResult, 0, len(o.results))
	for _, r := range o.results {
		if r != nil {
			out = append(out, *r)
		}
	}
	return out
}

func (o *outcome) note(r domain.OperationResult) {
	row := rowOf(r)
	o.results[r.Index] = &row
}

// batch reads the request in either of its forms.
func (c *call) batch() (batch, error) {
	if ofType(c.r.Header.Get("Content-Type"), typeNDJSON) {
		return c.lines()
	}
	if c.query.Has("dry_run") || c.query.Has("atomic") {
		return batch{}, problem(domain.Invalid, "dry_run", "With a JSON body, dry_run and atomic stand in the body.")
	}
	body, err := c.jsonBody()
	if err != nil {
		return batch{}, err
	}
	cmd, dryRun, err := command.DecodeChangePeers(body)
	if err != nil {
		return batch{}, err
	}
	if n := len(cmd.Operations); n < 1 || n > domain.MaxOperations {
		return batch{}, problem(domain.Invalid, "operations", "there must be 1 to %d operations, not %d", domain.MaxOperations, n)
	}
	b := batch{atomic: cmd.Atomic, dryRun: dryRun}
	for _, op := range cmd.Operations {
		b.rows = append(b.rows, row{op: op})
	}
	return b, nil
}

// lines reads a body of lines. A line that is no operation is refused by itself,
// unless all are to be done or none.
func (c *call) lines() (batch, error) {
	b := batch{atomic: c.query.Get("atomic") == "true", dryRun: c.query.Get("dry_run") == "true"}
	if err := c.notEncoded(); err != nil {
		return b, err
	}
	body, err := c.bodyUpTo(maxLines)
	if err != nil {
		return b, err
	}
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(b.rows) == domain.MaxRows {
			return b, problem(codeTooLarge, "", "There are more than %d lines.", domain.MaxRows)
		}
		op, err := command.DecodeOperation(line)
		if err != nil && b.atomic {
			return b, inRow(len(b.rows), err)
		}
		b.rows = append(b.rows, row{op, refusalOf(err)})
	}
	if most := domain.MaxOperations; len(b.rows) == 0 || b.atomic && len(b.rows) > most {
		return b, problem(domain.Invalid, "operations", "there must be 1 to %d lines, %d when all are to be done or none; not %d", domain.MaxRows, most, len(b.rows))
	}
	return b, nil
}

// span is a part of the rows that is given to the write loop at once.
type span struct{ number, from, to int }

// parts divides the rows into what can be written at once.
func (b batch) parts() []span {
	size := domain.SafeOperations
	if b.atomic || b.dryRun {
		size = len(b.rows)
	}
	var out []span
	for from := 0; from < len(b.rows); from += size {
		out = append(out, span{number: len(out), from: from, to: min(from+size, len(b.rows))})
	}
	return out
}

// id is the command id of the part of a request with this key: its own for the
// first, so that using it for another command is noticed, and one that follows
// from it for the others.
func (s span) id(ent events.EnterpriseID, key events.CommandID) events.CommandID {
	if s.number == 0 {
		return key
	}
	return events.CommandID(uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "peers:bulk %s %s %d", ent, key, s.number)).String())
}

// changePart gives one part to the write loop and notes what became of its rows.
func (c *call) changePart(ctx context.Context, req command.Request, b batch, s span, out *outcome) error {
	cmd := domain.ChangePeers{Atomic: b.atomic}
	var places []int // of the operations among the rows
	for i := s.from; i < s.to; i++ {
		if e := b.rows[i].refusal; e != nil {
			out.note(domain.OperationResult{Index: i, Result: domain.Refused, Error: e})
			continue
		}
		cmd.Operations = append(cmd.Operations, b.rows[i].op)
		places = append(places, i)
	}
	if len(places) == 0 {
		return nil
	}
	req.Command = cmd
	if req.ID != "" {
		req.CorrelationID = string(req.ID)
		req.ID = s.id(req.Enterprise, req.ID)
	}
	receipt, err := c.handle(ctx, req)
	results := receipt.Results
	if refusal := refusalOf(err); refusal != nil && b.dryRun && len(refusal.Results) > 0 {
		results, err = refusal.Results, nil
	}
	if err != nil {
		return err
	}
	for _, r := range results { // none when they were lost, which a warning says
		r.Index = places[r.Index]
		out.note(r)
	}
	out.sequence = max(out.sequence, receipt.Sequence)
	out.warnings = append(out.warnings, receipt.Warnings...)
	return nil
}

// brokenOff adds to the error of a part what became of the others.
func brokenOff(err error, s span, out *outcome) error {
	p, expected := problemOf(err)
	if !expected || s.from == 0 {
		return err
	}
	after := "those after them were not"
	if p.Status == http.StatusServiceUnavailable {
		after = "of those after them that is not known"
	}
	p.Detail = fmt.Sprintf("The first %d operations were carried out, %s: %s", s.from, after, p.Detail)
	p.Results = out.known()
	return p
}

// inRow says of a refusal which operation it is about.
func inRow(index int, err error) error {
	refusal := refusalOf(err)
	if refusal == nil {
		return err
	}
	whole := *refusal
	whole.Field = strings.TrimSuffix(fmt.Sprintf("operations[%d].%s", index, refusal.Field), ".")
	return &whole
}
