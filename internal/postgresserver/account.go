package postgresserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is as whom the server runs. It refuses to be root: as root it is run
// as Debian's postgres, or as nobody.
type account struct {
	uid, gid int
	change   bool // from the account of this process
}

func chooseAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(found.Uid)
		gid, errGID := strconv.Atoi(found.Gid)
		if err := errors.Join(errUID, errGID); err != nil {
			return account{}, fmt.Errorf("account %s: %w", name, err)
		}
		return account{uid: uid, gid: gid, change: true}, nil
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")
}

// attributes makes a child run as the account, out of reach of a terminal's
// Ctrl-C, and end with this process: the signal asks a server to end at once.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if a.change {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// own gives a directory to the account.
func (a account) own(dir string) error {
	if !a.change {
		return nil
	}
	return os.Chown(dir, a.uid, a.gid)
}
