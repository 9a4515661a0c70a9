package job

import (
	"strings"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// MaxControls is how many control requests of a job are remembered. A cancel is
// taken beyond it: whoever fills the record must not make the job unstoppable.
const MaxControls = 10_000

// request is a control request that had its effect, but for its id.
type request struct {
	kind    ControlKind
	keep    bool
	until   Until
	targets uint32
}

func (c ControlRow) request() request { return request{c.Kind, c.KeepRunning, c.Until, c.Targets} }

// admitted looks at a control request before it has an effect; done: it had it
// already.
func (m *Machine) admitted(id string, expected uint64, r request) (done bool, err error) {
	if n := len(id); n < minRequestID || n > maxRequestID || strings.ContainsFunc(id, isControl) {
		return false, ErrRequestID
	}
	if before, again := m.answered[id]; again && !bug("resume repeated") {
		if before.request() != r {
			return false, ErrRequestReused
		}
		return true, nil
	}
	if expected != 0 && expected != m.row.ControlRevision {
		return false, ErrControlRevision
	}
	if len(m.answered) >= MaxControls && r.kind != CancelRequest {
		return false, ErrTooManyControls
	}
	return false, nil
}

// isControl: not every store can write such characters.
func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// remember records a control request together with its effect.
func (m *Machine) remember(id string, r request) {
	row := ControlRow{
		RequestID: id, ControlRevision: m.row.ControlRevision,
		Kind: r.kind, KeepRunning: r.keep, Until: r.until, Targets: r.targets, At: m.now,
	}
	m.answered[id] = row
	m.owed.controls = append(m.owed.controls, row)
	m.owed.row = true
}

// cancel ends the job: what has not started does not start, and what runs is
// ended, or goes on. The answer is the job's row once it is durable.
func (m *Machine) cancel(ev Cancel) error {
	asked := request{kind: CancelRequest, keep: ev.KeepRunning}
	if done, err := m.admitted(ev.RequestID, ev.Expected, asked); done || err != nil {
		return err
	}
	wish := task.DesiredStop
	if ev.KeepRunning {
		wish = task.DesiredWithdraw
	}
	if m.row.Counts.unsettled() == 0 || m.row.State == Stopping && m.row.Wish >= wish {
		return nil // nothing that this could change, now or later
	}
	m.skipRest(task.Skipped, task.JobCanceled)
	m.halt(wish)
	m.remember(ev.RequestID, asked)
	return nil
}

// pause stops releasing until a user resumes. It is remembered even where the
// job is paused already: the same request, heard again after a resume, must not
// pause it once more.
func (m *Machine) pause(ev Pause) error {
	asked := request{kind: PauseRequest}
	done, err := m.admitted(ev.RequestID, ev.Expected, asked)
	if done || err != nil || m.over() {
		return err
	}
	if m.row.State == Running {
		m.stopReleasing(PausedByUser)
	}
	m.remember(ev.RequestID, asked)
	return nil
}

// over reports whether no control request but a cancel can have an effect, now
// or later.
func (m *Machine) over() bool {
	return m.row.State != Running && m.row.State != Paused || m.row.Counts.unsettled() == 0
}

// resume lets a paused job go on. Only what has been reached is passed: a job
// that a user paused between two points stops at the next one.
func (m *Machine) resume(ev Resume) error {
	if ev.Until > UntilNumber || (ev.Until == UntilNumber) != (ev.Targets > 0) {
		return ErrResume
	}
	asked := request{kind: ResumeRequest, until: ev.Until, targets: ev.Targets}
	if done, err := m.admitted(ev.RequestID, ev.Expected, asked); done || err != nil {
		return err
	}
	if m.row.State != Paused {
		return ErrNotPaused
	}
	if m.row.Pause == PausedByBudget {
		m.row.Forgiven = uint32(m.spec.Rollout.Bad(m.row.Counts))
	}
	m.passPoints(ev)
	m.row.State = Running
	m.unpause()
	m.row.ControlRevision++
	m.remember(ev.RequestID, asked)
	return nil
}

// passPoints sets the pause points that are ahead after a resume. A job that is
// paused at a point has reached it, whatever has been heard of hosts since, or
// not yet been heard by a new owner.
func (m *Machine) passPoints(ev Resume) {
	points, atBatchPoint := m.spec.Rollout, m.row.Pause == PausedAtPoint && !m.pointReached()
	if atBatchPoint || m.batchPointReached() {
		m.row.BatchGate = after(points.PauseBatches, m.row.Batch+1)
	}
	switch {
	case ev.Until == UntilEnd:
		m.row.Gate, m.row.BatchGate = 0, 0
	case ev.Until == UntilNumber:
		m.row.Gate = m.row.Released + min(ev.Targets, uint32(m.plan.total)) // all there are is as good as more
	case m.pointReached():
		m.row.Gate = after(points.PauseAfter, m.row.Released)
	}
}

// after is the first of ascending points that is beyond n; 0: there is none.
func after(points []uint32, n uint32) uint32 {
	for _, p := range points {
		if p > n {
			return p
		}
	}
	return 0
}

// halt ends releasing for good, with the wish for what has been released.
func (m *Machine) halt(wish task.Desired) {
	m.row.State = Stopping
	m.unpause()
	m.row.ControlRevision++
	m.owed.row = true
	if wish <= m.row.Wish {
		return
	}
	m.row.Wish = wish
	for o := range m.live.all() {
		m.wish(o)
	}
}

// wish says to a host what is wanted of a task. What may not have arrived is
// dispatched with the wish instead: a host that does not know it records it as
// canceled.
func (m *Machine) wish(o uint32) {
	if s := m.tasks[o].seen.State; s < task.Accepted {
		m.owed.dispatch.add(o)
	} else {
		m.wishAgain(o)
	}
}

// wishAgain says it once more. To withdraw what has started changes nothing, and
// is not said.
func (m *Machine) wishAgain(o uint32) {
	s := m.tasks[o].seen.State
	started := s >= task.Starting && s != task.Unknown
	if m.row.Wish >= task.DesiredStop || m.row.Wish == task.DesiredWithdraw && !started {
		m.owed.wishes.add(o)
	}
}

// skipRest settles everything that was never released.
func (m *Machine) skipRest(s task.State, why task.Reason) {
	if m.row.Counts.Of(task.Pending) == 0 {
		return
	}
	for o := range m.tasks {
		if m.tasks[o].seen.State == task.Pending {
			m.conclude(uint32(o), s, why)
		}
	}
}
