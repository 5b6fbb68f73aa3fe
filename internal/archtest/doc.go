// Package archtest owns the map of the packages: which package may import
// which, what keeps the inner ones pure, and the house rules that a program can
// check. Its tests fail when the tree no longer agrees with the map.
//
// It imports the standard library only, reads source files as text, and is used
// by tests alone. A new package is added to Layers before its first import.
package archtest
