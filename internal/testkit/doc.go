// Package testkit owns what tests of several packages share: real servers that
// start in milliseconds, a way to cut a connection at the worst moment, and the
// one way to skip a test.
//
// Only tests import it. It imports embednats and the clients of the servers it
// starts, and no package that is under test.
package testkit
