// Package projection owns the read loop: it follows the log and keeps the
// tables of a projection equal to the fold of what it read (Runner). It knows
// about batches, checkpoints, leases, dead events, rebuilding tables and
// verifying them against the log, and runs the last two as jobs for operators
// (Operator); what an event does to a row is readmodel's, and so is all SQL.
//
// It imports events and readmodel. The event store gives it the log (Source);
// queries of readmodel read what it wrote.
package projection
