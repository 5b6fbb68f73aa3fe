// Package accounts owns the part of the NATS server's configuration that keeps
// the services of a deployment apart: one account for each, with exports and
// imports for exactly its enterprises and its role (ADR 0025).
//
// It imports access for what a role may do, command for the names of commands,
// domain and events. The command in deploy/nats/generate writes what it makes.
package accounts
