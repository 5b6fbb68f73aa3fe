// Package projection owns the read loop: it follows the log and keeps the
// tables of a projection equal to the fold of what it read. It knows about
// batches, checkpoints, leases, dead events and rebuilding; what an event does
// to a row is readmodel's, and so is all SQL.
//
// It imports events and readmodel. The event store gives it the log (Source);
// queries of readmodel read what it wrote.
package projection
