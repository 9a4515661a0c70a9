package spool

import "github.com/ccs-project/ccs/pkg/host/proc"

// Tree is what the attempt may have left behind without its end-process, which
// made this record. leader may be zero: it is not known. The cgroup is the one
// of the record: the host's configuration may be another by now.
func (a Attempt) Tree(leader proc.Identity) proc.Tree {
	orphans := proc.Orphans{Leader: leader, Since: a.Supervisor.Start, Mark: a.MarkEntry()}
	if a.Group.IsZero() {
		return orphans
	}
	return proc.Grouped{Group: a.Group, Also: orphans}
}
