package executor

import (
	"context"
	"hash/fnv"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// sweepEvery is the pause between looks for groups of attempts that are over:
// what they left running may have ended since.
const sweepEvery = 10 * time.Minute

// findGroups finds where the host lets cgroups be made.
func (e *Executor) findGroups() {
	found := cgroup.Find(cgroup.Search{
		Choice: cgroup.Choice(e.cfg.Cgroup), Parent: e.cfg.CgroupParent,
		Prefix: groupPrefix(e.cfg.StateDir), Program: e.cfg.EndProcess,
	})
	e.groupsAt, e.groupLimits = found.Place, found.Holds
	about := []any{slog.String("cgroup", found.Place.Version()), slog.String("limits", strings.Join(found.Holds, ","))}
	if found.Why != nil {
		about = append(about, slog.Any("unusable", found.Why))
	}
	e.log.Info("commands are held in cgroups as the host lets them", about...)
}

// groupPrefix begins the names of our groups. It is the same for every executor
// of the directory, and for those that come after it was wiped: they find what
// is left.
func groupPrefix(stateDir string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(stateDir))
	return strconv.FormatUint(h.Sum64(), 16) + "-"
}

// placeEntry tells an end-process where to make its group.
func (e *Executor) placeEntry() string {
	return spool.PlaceName + "=" + strings.Join(e.groupsAt.Entries(), "\n")
}

// removeGroup removes the group of an attempt that has ended, beside the loop,
// in case that its end-process died before it did. One in which something was
// left running stays.
func (e *Executor) removeGroup(g cgroup.Group) {
	if !g.IsZero() {
		e.work.Go(func() { _ = g.Remove() })
	}
}

// sweep removes the groups of attempts that are over, beside the loop: those
// that were not empty when they ended, and those of commands that nobody knows.
// They are listed before the loop is asked which are over: whose group was there
// before it was known is not at its beginning.
func (e *Executor) sweep() {
	if e.groupsAt == (cgroup.Place{}) {
		return
	}
	e.work.Go(func() {
		found, err := e.groupsAt.Groups()
		e.post(func(ctx context.Context) {
			if err != nil {
				e.log.WarnContext(ctx, "cannot list the cgroups of commands; it is tried again", slog.Any("error", err))
				return
			}
			e.removeGroups(ctx, found)
		})
	})
}

func (e *Executor) removeGroups(ctx context.Context, found []cgroup.Named) {
	var over []cgroup.Named
	for _, g := range found {
		if c := e.commands[g.ID]; c == nil || g.Attempt < c.attempt || c.report.State.Final() {
			over = append(over, g)
		}
	}
	if len(over) == 0 {
		return
	}
	e.work.Go(func() {
		removed := 0
		for _, g := range over {
			if ctx.Err() == nil && g.Group.Remove() == nil {
				removed++
			}
		}
		if removed > 0 {
			e.log.InfoContext(ctx, "cgroups of commands that are over were removed", slog.Int("removed", removed), slog.Int("in_use", len(over)-removed))
		}
	})
}
