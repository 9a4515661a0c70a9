package endprocess

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ownUmask is the end-process's, and a command's that asks for none.
const ownUmask = 0o022

const oomFile = "/proc/self/oom_score_adj"

// inherited is what a process has from the one that forks it, and what needs no
// privilege to set and to set back.
type inherited struct {
	umask int
	oom   int // score
}

// lend is ours for the length of a fork: what the new process is to have from
// its first moment. Nobody makes files meanwhile. giveBack ends it.
func (i inherited) lend() (giveBack func(), err error) {
	was, err := oomScore()
	if err != nil && i.oom == 0 {
		was, err = 0, nil // a kernel that tells no score, and nobody asks for one
	}
	if err == nil && was != i.oom {
		err = setOOMScore(i.oom)
	}
	if err != nil {
		return nil, err
	}
	unix.Umask(i.umask)
	return func() {
		unix.Umask(ownUmask)
		if was != i.oom {
			_ = setOOMScore(was) // allowed: it was ours
		}
	}, nil
}

// scoreFor is the OOM score of a command. It is never below ours, for to lower it
// may be forbidden, nor below 0: the executor may be protected, its commands are
// not.
func scoreFor(asked uint16) int {
	was, _ := oomScore() // 0 if it is not known
	return max(was, int(asked))
}

func oomScore() (int, error) {
	text, err := os.ReadFile(oomFile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func setOOMScore(score int) error {
	return os.WriteFile(oomFile, []byte(strconv.Itoa(score)), 0)
}
