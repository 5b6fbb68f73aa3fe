package app

import (
	"runtime/debug"
	"strings"
)

// release is the version of the product that this tree leads to.
const release = "0.1.0"

// Version names this build: the release, and the commit when it is known.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-modified"
		}
	}
	return strings.TrimSuffix(release+"+"+revision+dirty, "+")
}
