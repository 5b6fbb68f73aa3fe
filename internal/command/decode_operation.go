package command

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/peering/peering/internal/domain"
)

// opField names the operation in the JSON of a domain.PeerOperation.
const opField = "op"

// operationName is what a refusal calls an operation whose kind is not known.
const operationName = domain.CommandName("an operation")

// operationKind is what is known of one kind of operation.
type operationKind struct {
	shape  *shape
	decode func([]byte) (domain.PeerOperation, error)
}

var operationKinds = sync.OnceValue(func() map[string]operationKind {
	all := map[string]operationKind{}
	addOperation[domain.AddPeer](all)
	addOperation[domain.PutPeer](all)
	addOperation[domain.EditPeer](all)
	addOperation[domain.DeletePeer](all)
	addOperation[domain.EnablePeer](all)
	addOperation[domain.DisablePeer](all)
	addOperation[domain.AcknowledgePeerNotice](all)
	return all
})

func addOperation[O domain.PeerOperation](all map[string]operationKind) {
	var zero O
	s := shapeOf(reflect.TypeFor[O]())
	s.fields = append(s.fields, field{opField, &shape{form: formText}})
	all[string(zero.Op())] = operationKind{s, func(data []byte) (domain.PeerOperation, error) {
		var o O
		err := json.Unmarshal(data, &o)
		return o, err
	}}
}

// envelope is ChangePeers as HTTP has it.
type envelope struct {
	DryRun     bool                   `json:"dry_run"`
	Atomic     bool                   `json:"atomic"`
	Operations []domain.PeerOperation `json:"operations"`
}

var shapeOfEnvelope = sync.OnceValue(func() *shape { return shapeOf(reflect.TypeFor[envelope]()) })

var shapeOfOperation = sync.OnceValue(func() *shape { return shapeOf(reflect.TypeFor[domain.PeerOperation]()) })

// DecodeOperation reads one operation of a ChangePeers: the fields of its command
// and "op", which says which command it is. It is as strict as Decode, and the
// error is the same.
func DecodeOperation(data []byte) (domain.PeerOperation, error) {
	if refusal := check(data, shapeOfOperation(), operationName); refusal != nil {
		return nil, refusal
	}
	op, err := readOperation(data)
	if err != nil {
		return nil, notA(operationName)
	}
	return op, nil
}

// DecodeChangePeers reads the JSON of many operations in one request. They are
// atomic unless the body says otherwise. dryRun is for Request: it is no part of
// the command, and Decode does not take it. The error is that of Decode; it names
// fields as in operations[3].hostname.
func DecodeChangePeers(body []byte) (cmd domain.ChangePeers, dryRun bool, err error) {
	if refusal := check(body, shapeOfEnvelope(), cmd.Name()); refusal != nil {
		return domain.ChangePeers{}, false, refusal
	}
	cmd, dryRun, err = readChangePeers(body)
	if err != nil {
		return domain.ChangePeers{}, false, notA(cmd.Name())
	}
	return cmd, dryRun, nil
}

// readChangePeers reads a body whose shape was checked.
func readChangePeers(body []byte) (cmd domain.ChangePeers, dryRun bool, err error) {
	raw := struct {
		DryRun     bool              `json:"dry_run"`
		Atomic     bool              `json:"atomic"`
		Operations []json.RawMessage `json:"operations"`
	}{Atomic: true}
	if err := json.Unmarshal(body, &raw); err != nil {
		return cmd, false, err
	}
	cmd.Atomic = raw.Atomic
	for _, data := range raw.Operations {
		op, err := readOperation(data)
		if err != nil {
			return cmd, false, err
		}
		cmd.Operations = append(cmd.Operations, op)
	}
	return cmd, raw.DryRun, nil
}

// readOperation reads an operation whose shape was checked.
func readOperation(data []byte) (domain.PeerOperation, error) {
	var head struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	return operationKinds()[head.Op].decode(data)
}

// operation compares the object at the walker's place with the shape of the kind
// of operation that it says it is.
func (w *walker) operation(path string) *domain.Error {
	start := w.pos
	op, at, refusal := w.findOp(path)
	kind, known := operationKinds()[op]
	switch {
	case refusal != nil:
		return refusal
	case at < 0:
		return malformed(join(path, opField), "is missing: an operation is one of %s, at %s", opList(), place(w.data, start))
	case !known:
		return malformed(join(path, opField), "must be one of %s, not %s, at %s", opList(), quote(op), place(w.data, at))
	}
	w.pos = start
	return w.object(kind.shape, path, domain.CommandName("the operation "+quote(op)))
}

// findOp looks for the field "op" of the object at the walker's place; at is
// that of its value, -1 when there is none. What it steps over is not judged.
func (w *walker) findOp(path string) (op string, at int, refusal *domain.Error) {
	w.pos++
	for w.space(); w.data[w.pos] != '}'; w.space() {
		if w.data[w.pos] == ',' {
			w.pos++
			w.space()
		}
		key, refusal := w.unquote(path)
		if refusal != nil {
			return "", -1, refusal
		}
		w.space()
		w.pos++ // the colon
		w.space()
		if key == opField {
			at = w.pos
			if w.data[at] != '"' {
				return "", at, w.value(&shape{form: formText}, join(path, opField), operationName)
			}
			op, refusal = w.unquote(join(path, opField))
			return op, at, refusal
		}
		w.skip()
	}
	return "", -1, nil
}

// skip steps over the value at the walker's place.
func (w *walker) skip() {
	for depth := 0; ; {
		switch c := w.data[w.pos]; c {
		case '"':
			w.skipText()
		case '{', '[':
			depth++
			w.pos++
		case '}', ']':
			depth--
			w.pos++
		default:
			w.pos++
		}
		if depth > 0 {
			continue
		}
		if w.pos == len(w.data) || strings.IndexByte(",}] \t\r\n", w.data[w.pos]) >= 0 {
			return
		}
	}
}

func opList() string {
	return strings.Join(slices.Sorted(maps.Keys(operationKinds())), ", ")
}
