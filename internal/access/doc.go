// Package access owns who may do what: roles and the rights they give, the
// principal that a request comes from, and bearer tokens from their making to
// their revocation (ADR 0018).
//
// It may import readmodel, which keeps the tokens, domain and events. The edges
// (httpapi, later the bus) ask it who a caller is and whether a principal has
// the right that a command or a read needs.
package access
