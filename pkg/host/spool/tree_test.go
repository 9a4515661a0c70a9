package spool

import (
	"testing"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

func TestATreeIsItsGroupTooIfItHasOne(t *testing.T) {
	leader := proc.Identity{PID: 7, Start: 70}
	a := Attempt{Supervisor: proc.Identity{PID: 6, Start: 60}, Mark: "m"}
	want := proc.Orphans{Leader: leader, Since: 60, Mark: a.MarkEntry()}
	if got := a.Tree(leader); got != proc.Tree(want) {
		t.Errorf("without a group it is %+v, want %+v", got, want)
	}
	var err error
	if a.Group, err = cgroup.ParseGroup([]string{"unified=/ccs/1"}); err != nil {
		t.Fatal(err)
	}
	if got := a.Tree(leader); got != proc.Tree(proc.Grouped{Group: a.Group, Also: want}) {
		t.Errorf("with a group it is %+v", got)
	}
}
