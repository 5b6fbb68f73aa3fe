package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Upcaster turns the stored JSON of one version of an event into that of the
// next version. It must be a pure function of its input.
type Upcaster func(data json.RawMessage) (json.RawMessage, error)

// Registry knows every stored name, the version that is written today, and how
// to read every version ever written.
type Registry struct {
	types map[Type]*registered
}

type registered struct {
	version   int
	upcasters map[int]Upcaster // from version → version + 1
	decode    func(json.RawMessage) (Event, error)
}

// NewRegistry returns an empty registry; tests build their own, the product
// uses Default.
func NewRegistry() *Registry { return &Registry{types: map[Type]*registered{}} }

// Register makes E known with the version that is written today. A version
// above 1 needs an Upcast for each version below it. It panics on a name that
// is registered twice: a bug found while starting up.
func Register[E Event](r *Registry, version int) {
	var zero E
	t := zero.Type()
	if _, dup := r.types[t]; dup || version < 1 {
		panic(fmt.Sprintf("events: %s registered twice or with version %d", t, version))
	}
	layout := layoutOf(reflect.TypeFor[E]())
	r.types[t] = &registered{
		version:   version,
		upcasters: map[int]Upcaster{},
		decode: func(data json.RawMessage) (Event, error) {
			var e E
			if layout != nil && layout.read(data, reflect.ValueOf(&e).Elem()) {
				return e, nil
			}
			clear := zero // what was half read is forgotten
			err := json.Unmarshal(data, &clear)
			return clear, err
		},
	}
}

// Upcast adds the step from version from to from+1 of t. It panics when t is
// not registered or the step exists or leads beyond today's version.
func (r *Registry) Upcast(t Type, from int, up Upcaster) {
	reg, ok := r.types[t]
	if !ok || from < 1 || from >= reg.version || reg.upcasters[from] != nil {
		panic(fmt.Sprintf("events: no place for an upcaster of %s from version %d", t, from))
	}
	reg.upcasters[from] = up
}

// Version returns the version of t that is written today, 0 when t is unknown.
func (r *Registry) Version(t Type) int {
	if reg, ok := r.types[t]; ok {
		return reg.version
	}
	return 0
}

// Types lists the registered names in alphabetical order.
func (r *Registry) Types() []Type {
	types := make([]Type, 0, len(r.types))
	for t := range r.types {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// Decode reads the stored JSON of version v of t, through the chain of
// upcasters. The error is a *DecodeError.
func (r *Registry) Decode(t Type, v int, data []byte) (Event, error) {
	reg, ok := r.types[t]
	if !ok {
		return nil, &DecodeError{Kind: UnknownType, Detail: fmt.Sprintf("event type %q is not known to this version of the program", t)}
	}
	if v > reg.version || v < 1 {
		return nil, &DecodeError{Kind: UnknownVersion, Detail: fmt.Sprintf("%s has version %d, this program reads versions 1 to %d", t, v, reg.version)}
	}
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, &DecodeError{Kind: Malformed, Detail: fmt.Sprintf("the data of %s is not a JSON object", t)}
	}
	for ; v < reg.version; v++ {
		up := reg.upcasters[v]
		if up == nil {
			return nil, &DecodeError{Kind: UnknownVersion, Detail: fmt.Sprintf("%s has no upcaster from version %d", t, v)}
		}
		var err error
		if data, err = up(data); err != nil {
			return nil, &DecodeError{Kind: Malformed, Detail: fmt.Sprintf("upcasting %s from version %d: %v", t, v, err)}
		}
	}
	e, err := reg.decode(data)
	if err != nil {
		return nil, &DecodeError{Kind: Malformed, Detail: fmt.Sprintf("the data of %s: %v", t, err)}
	}
	return e, nil
}

// Default is the registry of the product: every event of this version. It is
// built afresh on each call so that nobody can change another's.
func Default() *Registry {
	r := NewRegistry()
	Register[EnterpriseRegistered](r, 1)
	Register[EnterpriseDescribed](r, 1)
	Register[EnterpriseDomainChanged](r, 1)
	Register[EnterpriseServerChanged](r, 1)
	Register[EnterpriseRemoved](r, 1)
	Register[PeerAdded](r, 1)
	Register[PeerRenamed](r, 1)
	Register[PeerAddressChanged](r, 1)
	Register[PeerHostnameChanged](r, 1)
	Register[PeerEnterpriseChanged](r, 1)
	Register[PeerDialingPrefixChanged](r, 1)
	Register[PeerVersionEntered](r, 1)
	Register[PeerDisabled](r, 1)
	Register[PeerEnabled](r, 1)
	Register[PeerDeleted](r, 1)
	Register[PeerNoticeRaised](r, 1)
	Register[PeerNoticeAcknowledged](r, 1)
	Register[PeerMaintenanceScheduled](r, 1)
	Register[PeerMaintenanceCancelled](r, 1)
	Register[TrustedServerAdded](r, 1)
	Register[TrustedServerRenamed](r, 1)
	Register[TrustedServerChanged](r, 1)
	Register[TrustedServerRemoved](r, 1)
	Register[PeerStatusChanged](r, 2)
	r.Upcast("PeerStatusChanged", 1, withMore)
	Register[PeerVersionDetected](r, 2)
	r.Upcast("PeerVersionDetected", 1, withMore)
	Register[PeerCertificateSeen](r, 2)
	r.Upcast("PeerCertificateSeen", 1, withMore)
	return r
}

// withMore is the step to a version that only has more fields, all of them
// optional: what was stored before reads as one that leaves them out.
func withMore(data json.RawMessage) (json.RawMessage, error) { return data, nil }
