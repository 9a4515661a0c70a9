package operator

import (
	"strconv"
	"strings"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// named is how many of a kind a line names.
const named = 5

func some(names []string) string {
	if len(names) <= named {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:named], ", ") + " and " + strconv.Itoa(len(names)-named) + " more"
}

// records names what cannot be read.
func (h Host) records(s Status) Check {
	const name = "records"
	var bad []string
	for _, e := range s.Entries {
		for _, what := range e.Damaged {
			bad = append(bad, what+" of "+e.ID)
		}
	}
	if v, err := spool.Look(h.StateDir); err == nil {
		aside, err := v.Aside()
		if err == nil {
			for _, n := range aside {
				bad = append(bad, "damaged/"+n)
			}
		}
		v.Close()
	}
	if len(bad) > 0 {
		return warn(name, "damaged: "+some(bad), "see to the disk (dmesg, SMART). They are kept for a person, start nothing and hold nothing up")
	}
	return ok(name, "all can be read: "+strconv.Itoa(len(s.Entries)))
}

// unwatched names what runs and has nobody.
func (h Host) unwatched(s Status) Check {
	const name = "supervision"
	var alone []string
	for _, e := range s.Entries {
		if e.Running() && e.Care == ByNobody {
			alone = append(alone, e.ID)
		}
	}
	if len(alone) > 0 {
		return faulty(name, "nobody supervises "+some(alone), "start the executor, which takes them over; or ccshost kill them")
	}
	return ok(name, "every command that runs has its end-process or the executor")
}

// strangers names processes that carry a mark of ours and belong to no command
// that runs.
func (h Host) strangers(s Status) Check {
	const name = "orphans"
	carriers, err := proc.Carriers(spool.MarkName)
	if err != nil {
		return warn(name, "cannot read the process table: "+err.Error(), "try again as root")
	}
	known, ours := h.marks(s), h.endProcesses()
	var lost []string
	for _, c := range carriers {
		if known[c.Value] || ours[c.PID] {
			continue
		}
		lost = append(lost, strconv.Itoa(c.PID)+" ("+c.Name+")")
	}
	if len(lost) > 0 {
		return warn(name, "carry a mark of ours and belong to no command that runs here: "+some(lost),
			"if no other executor runs on this machine they were left behind: see what they are and end them")
	}
	return ok(name, "none")
}

// endProcesses are the pids of those of this place: our own, which may not have
// written their records yet, and foreign ones, of which another line tells.
func (h Host) endProcesses() map[int]bool {
	ours := map[int]bool{}
	carriers, err := proc.Carriers(spool.OwnerName)
	if err != nil {
		return ours
	}
	for _, c := range carriers {
		if strings.HasSuffix(c.Value, "@"+h.StateDir) {
			ours[c.PID] = true
		}
	}
	return ours
}

// marks are those of the commands that run.
func (h Host) marks(s Status) map[string]bool {
	known := map[string]bool{}
	v, err := spool.Look(h.StateDir)
	if err != nil {
		return known
	}
	defer v.Close()
	for _, e := range s.Entries {
		if !e.Running() {
			continue
		}
		dir, err := v.Command(e.ID)
		if err != nil {
			continue
		}
		if a, err := dir.Attempt(e.Attempt); err == nil {
			known[a.Mark] = true
		}
		dir.Close()
	}
	return known
}

func foreigners(s Status) Check {
	const name = "foreign end-processes"
	var barred []string
	for _, f := range s.Foreign {
		if !f.Released {
			barred = append(barred, strconv.Itoa(f.Process.PID))
		}
	}
	switch {
	case len(barred) > 0:
		return faulty(name, "of a state directory that is gone still run, and nothing is started: pid "+some(barred),
			"wait for them, end them, or ccshost release them if what they run may run beside anything")
	case len(s.Foreign) > 0:
		return warn(name, strconv.Itoa(len(s.Foreign))+" run on, released", "nothing: the executor goes on beside them")
	}
	return ok(name, "none")
}
