package endprocess

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// account is whom the user's process runs as. uid and gid are -1 if it stays
// who we are.
type account struct {
	name, home, shell string
	uid, gid          int
	groups            []uint32
}

// other reports whether it is somebody else than we are.
func (a account) other() bool { return a.uid >= 0 }

func (a account) credential() *syscall.Credential {
	if !a.other() {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: a.groups}
}

// lookUp finds the account in the local files. Only root can become somebody
// else; the empty name and our own name are who we are.
func lookUp(name string) (account, *fault) {
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return account{}, faultOf("/etc/passwd", err)
	}
	me := os.Geteuid()
	for line := range strings.Lines(string(passwd)) {
		a, ok := parseAccount(line)
		switch {
		case !ok || name != "" && a.name != name || name == "" && a.uid != me:
			continue
		case a.uid == me:
			a.uid, a.gid = -1, -1
			return a, nil
		case me != 0:
			return account{}, &fault{reason: task.NoPermission, text: "cannot run as " + name + ": only an executor of root can become another account"}
		}
		a.groups = groupsOf(name, a.gid)
		return a, nil
	}
	if name == "" { // an uid without a name
		return account{home: "/", shell: "/bin/sh", uid: -1, gid: -1}, nil
	}
	return account{}, &fault{reason: task.NoAccount, text: "cannot run as " + name + ": there is no such account on this host"}
}

// parseAccount reads a line of passwd(5).
func parseAccount(line string) (account, bool) {
	f := strings.Split(strings.TrimRight(line, "\n"), ":")
	if len(f) != 7 {
		return account{}, false
	}
	uid, err := strconv.ParseUint(f[2], 10, 31)
	if err != nil {
		return account{}, false
	}
	gid, err := strconv.ParseUint(f[3], 10, 31)
	if err != nil {
		return account{}, false
	}
	return account{name: f[0], uid: int(uid), gid: int(gid), home: f[5], shell: f[6]}, true
}

// groupsOf reads the groups of which group(5) names the account a member.
func groupsOf(name string, primary int) []uint32 {
	groups := []uint32{uint32(primary)}
	data, err := os.ReadFile("/etc/group")
	if err != nil {
		return groups
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) != 4 {
			continue
		}
		gid, err := strconv.ParseUint(f[2], 10, 31)
		if err != nil || int(gid) == primary {
			continue
		}
		for member := range strings.SplitSeq(f[3], ",") {
			if member == name {
				groups = append(groups, uint32(gid))
			}
		}
	}
	return groups
}
