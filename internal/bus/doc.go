// Package bus owns what goes over NATS one message at a time: commands that
// services publish (ADR 0024) or send as requests (ADR 0025), and the reactions
// to events (ADR 0026). It is the only importer of Watermill.
//
// It may import command, which carries commands out, access for the rights of
// who connected, eventstore for the queue and what is parked, readmodel for whom
// a change concerns, domain and events. Its messages end at command.Handler.
package bus
