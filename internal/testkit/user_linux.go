package testkit

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ordinaryUser says how to start a server that refuses to run as root: as
// another user when this process is root, and to die with this process.
func ordinaryUser() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if uid, gid, ok := otherUser(); ok {
		attributes.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return attributes
}

// giveAway makes path belong to the user whom ordinaryUser names.
func giveAway(path string) error {
	uid, gid, ok := otherUser()
	if !ok {
		return nil
	}
	return os.Chown(path, int(uid), int(gid))
}

// otherUser is the user for servers when this process is root.
func otherUser() (uid, gid uint32, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		id, err1 := strconv.ParseUint(u.Uid, 10, 32)
		group, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if errors.Join(err1, err2) == nil {
			return uint32(id), uint32(group), true
		}
	}
	return 0, 0, false
}
