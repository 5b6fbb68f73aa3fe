// Package e2e owns the tests that use the product as its users do: the built
// programs, started as processes, spoken to over HTTP and the command line, and
// killed.
//
// It imports testkit only; what it proves is what the README says.
package e2e
