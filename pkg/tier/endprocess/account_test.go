package endprocess

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func TestAnAccountHasTheGroupsThatNameIt(t *testing.T) {
	const file = "root:x:0:\nadm:x:4:ann,bob\nown:x:7:ann\nlogs:x:9:joann\nbroken:x\nbig:x:99999999999:ann\nagain:x:4:ann\nweb:x:8:bob,ann\n"
	for name, want := range map[string][]uint32{"ann": {7, 4, 8}, "bob": {7, 4, 8}, "joann": {7, 9}, "eve": {7}} {
		if got := groupsOf(file, name, 7); !slices.Equal(got, want) {
			t.Errorf("%q is in %v, want %v", name, got, want)
		}
	}
}

func TestALineOfPasswdIsReadOrPassedOver(t *testing.T) {
	if a, ok := parseAccount("ann:x:1000:1001:Ann:/home/ann:/bin/sh\n"); !ok || a.name != "ann" || a.uid != 1000 || a.gid != 1001 || a.home != "/home/ann" || a.shell != "/bin/sh" {
		t.Errorf("it is read as %+v, %v", a, ok)
	}
	for _, line := range []string{"", "ann", "ann:x:1000:1001:/home/ann:/bin/sh", "ann:x:-1:1::/:/", "ann:x:1:4294967295::/:/", "+::::::", "ann:x:1:x::/:/"} {
		if a, ok := parseAccount(line); ok {
			t.Errorf("%q is read as %+v", line, a)
		}
	}
}

// TestACommandHasTheSupplementaryGroupsOfItsAccount takes an account of this host
// that has some, and compares with id(1).
func TestACommandHasTheSupplementaryGroupsOfItsAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another account")
	}
	group, err := os.ReadFile("/etc/group")
	if err != nil {
		t.Fatal(err)
	}
	name := "nobody"
	for line := range strings.Lines(string(group)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 4 && f[3] != "" && !strings.HasPrefix(f[3], "root") {
			name, _, _ = strings.Cut(f[3], ",")
		}
	}
	want, err := exec.Command("id", "-G", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, staged := range []bool{false, true} {
		d := newDisk(t)
		run := spool.Run{Argv: []string{"id", "-G"}, Account: name}
		if staged {
			run.Rlimits = []task.Rlimit{{Resource: task.ResourceCore}}
		}
		d.want(d.run(run, nil, nil), task.Succeeded, task.NoReason)
		if got := sorted(d.kept(0)); got != sorted(string(want)) {
			t.Errorf("staged %v: %s is in %q, id says %q", staged, name, got, want)
		}
	}
}

func sorted(groups string) string {
	list := strings.Fields(groups)
	slices.Sort(list)
	return strings.Join(list, " ")
}
