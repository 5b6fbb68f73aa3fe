// Package events owns what happened: the event structs, their stored names and
// versions, the codec between an event and a message of the log, and the
// subjects of the log.
//
// It imports the standard library only, and everything else may import it: the
// domain folds events, the event store keeps them, the projections read them.
// Published means frozen: a stored name, a version and its JSON are never
// changed; a change of shape is a new version with an upcaster (see Registry).
package events
