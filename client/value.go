package client

import "encoding/json"

// Seq is a position in the log. The revision of a resource is the sequence of
// its last configuration event.
type Seq uint64

// EnterpriseID names an enterprise, without regard to case.
type EnterpriseID string

// PeerID names a peer for good.
type PeerID string

// TrustedServerID names an entry of the trusted-server list.
type TrustedServerID string

// Nullable is a field of a patch that can be left out (nil *Nullable), withdrawn
// (Null) or given (Value).
type Nullable[T any] struct {
	value *T
}

// Value gives v to a field.
func Value[T any](v T) *Nullable[T] { return &Nullable[T]{&v} }

// Null withdraws the value of a field.
func Null[T any]() *Nullable[T] { return &Nullable[T]{} }

// MarshalJSON implements json.Marshaler.
func (n Nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.value) }
