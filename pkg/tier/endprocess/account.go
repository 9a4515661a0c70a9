package endprocess

import (
	"os"
	"slices"
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

// lookUp finds the account in the local files: accounts of NSS or LDAP are not
// seen, for that takes libraries of the host in our process. A number is a name
// like any other and never a uid, so that nobody gets round a rule about names.
// Only root can become somebody else; the empty name and our own name are who we
// are.
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
		group, _ := os.ReadFile("/etc/group") // not there: nobody is a member of anything
		a.groups = groupsOf(string(group), name, a.gid)
		return a, nil
	}
	if name == "" { // an uid without a name
		return account{home: "/", shell: "/bin/sh", uid: -1, gid: -1}, nil
	}
	return account{}, &fault{reason: task.NoAccount, text: "cannot run as " + name + ": there is no such account in /etc/passwd of this host"}
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

// groupsOf is the primary group and those of which group(5) names the account a
// member, each once.
func groupsOf(file, name string, primary int) []uint32 {
	groups := []uint32{uint32(primary)}
	for line := range strings.Lines(file) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) != 4 || !slices.Contains(strings.Split(f[3], ","), name) {
			continue
		}
		gid, err := strconv.ParseUint(f[2], 10, 31)
		if err == nil && !slices.Contains(groups, uint32(gid)) {
			groups = append(groups, uint32(gid))
		}
	}
	return groups
}
