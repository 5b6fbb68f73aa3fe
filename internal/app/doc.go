// Package app owns the composition: what a program is made of. Each role is
// connected to its log and its database, started, watched by health checks and
// stopped; everything that waits or retries at the start is here.
//
// It may import everything, and nothing but cmd imports it. Command gives cmd
// the cobra command of a role; Run is what it runs.
package app
