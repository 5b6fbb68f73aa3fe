package domain

// draft returns a state on which decisions can be tried: folding events into it
// leaves e as it is. It costs what is folded into it, and e must not change
// while it is in use. It remembers no commands, because nothing that was decided
// on it has happened.
func (e *Enterprise) draft() *Enterprise {
	d := *e
	d.peers, d.manual = e.peers.draft(), e.manual.draft()
	d.peersGone, d.trustedGone = e.peersGone.draft(), e.trustedGone.draft()
	d.memory = newMemory()
	d.memory.last = e.memory.last
	d.peerNames, d.peerings = e.peerNames.draft(), e.peerings.draft()
	d.manualNames, d.manualTrusts = e.manualNames.draft(), e.manualTrusts.draft()
	d.hosts = e.hosts.draft()
	return &d
}
