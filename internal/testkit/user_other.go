//go:build !linux

package testkit

import "syscall"

// ordinaryUser needs nothing special: tests do not run as root here.
func ordinaryUser() *syscall.SysProcAttr { return nil }

// giveAway leaves path to the user of this process.
func giveAway(string) error { return nil }
