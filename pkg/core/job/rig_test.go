package job

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// dawn is when every test begins.
func dawn() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

func anID() ID { return NewID(dawn(), [10]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) }

// inc is an incarnation that is easy to read in a failure.
func inc(n byte) fleet.Incarnation { return fleet.Incarnation{15: n} }

// targetsOf makes a list from words such as "bj01: a b c"; all hosts have
// incarnation 1.
func targetsOf(tb rapid.TB, rooms ...string) *Targets {
	tb.Helper()
	var b TargetsBuilder
	for _, line := range rooms {
		room, hosts, _ := strings.Cut(line, ":")
		for host := range strings.FieldsSeq(hosts) {
			if err := b.Add(fleet.Room(room), Target{fleet.HostID(host), inc(1)}); err != nil {
				tb.Fatal(err)
			}
		}
	}
	targets, err := b.Build()
	if err != nil {
		tb.Fatal(err)
	}
	return targets
}

// aSpec is a job with a start-by in one minute, a timeout of 30 s and a
// deadline in five minutes.
func aSpec(change ...func(*Spec)) Spec {
	s := Spec{
		ID: anID(), Pool: "standard", Class: "standard", Account: "ops", Submitter: "ann", Command: "uptime",
		StartBy: dawn().Add(time.Minute), Timeout: 30 * time.Second, Created: dawn(),
		Rollout: Rollout{Deadline: dawn().Add(5 * time.Minute)},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func concurrency(n uint32) func(*Spec) {
	return func(s *Spec) { s.Rollout.Concurrency = Amount{Count: n} }
}

func rerunsTo(attempts uint32) func(*Spec) {
	return func(s *Spec) {
		s.MaxAttempts, s.RerunUntil = attempts, dawn().Add(2*time.Minute)
	}
}

// disk is a job store of one job. It takes a Ready as the shard does, and
// fails the test if the machine breaks its word.
type disk struct {
	t        rapid.TB
	targets  *Targets
	spec     Spec
	limit    int
	plan     plan
	row      Row
	released map[uint32]bool
	tasks    map[uint32]TaskRow
	controls []ControlRow
	forgiven map[uint32]bool // what was bad when a user last resumed a spent budget
	settled  int             // how often Settled was said
	anything bool            // hosts may say anything, so that releases are found that nobody decided
}

func newDisk(tb rapid.TB, m *Machine) *disk {
	return &disk{t: tb, targets: m.targets, spec: m.spec, limit: m.limit, plan: m.plan, released: map[uint32]bool{}, tasks: map[uint32]TaskRow{}}
}

// copy is a backup.
func (d *disk) copy() *disk {
	c := *d
	c.released, c.tasks, c.controls = maps.Clone(d.released), maps.Clone(d.tasks), slices.Clone(d.controls)
	c.settled = 0
	return &c
}

// take persists what a Ready holds and checks what it wants to send.
func (d *disk) take(rd Ready) {
	d.t.Helper()
	before := d.row
	d.persist(rd.Persist)
	d.check(rd)
	d.forgive(before, rd.Persist.Controls)
	if rd.Persist.Row != nil && !d.anything {
		d.checkRollout(before, rd.Persist.Released)
	}
}

func (d *disk) persist(p Persist) {
	d.t.Helper()
	if p.Row == nil {
		if len(p.Released) > 0 || len(p.Tasks) > 0 || len(p.Controls) > 0 {
			d.t.Fatalf("something is to be persisted without the job's row: %+v", p)
		}
		return
	}
	if p.Row.Revision != d.row.Revision+1 {
		d.t.Fatalf("revision goes from %d to %d", d.row.Revision, p.Row.Revision)
	}
	if p.Row.ControlRevision < d.row.ControlRevision || p.Row.Wish < d.row.Wish {
		d.t.Fatalf("control state goes back from %+v to %+v", d.row, *p.Row)
	}
	d.row = *p.Row
	for _, o := range p.Released {
		if d.released[o] {
			d.t.Fatalf("ordinal %d is released twice", o)
		}
		d.released[o] = true
	}
	for _, row := range p.Tasks {
		before, had := d.tasks[row.Ordinal]
		if had && before.Report.State.Final() && !before.Concluded && row.Report.Attempt <= before.Report.Attempt {
			d.t.Fatalf("ordinal %d was final as %v and is written again as %v", row.Ordinal, before.Report, row.Report)
		}
		if row.Revision != p.Row.Revision {
			d.t.Fatalf("ordinal %d has revision %d in the transaction of revision %d", row.Ordinal, row.Revision, p.Row.Revision)
		}
		d.tasks[row.Ordinal] = row
	}
	d.controls = append(d.controls, p.Controls...)
}

func (d *disk) check(rd Ready) {
	d.t.Helper()
	if n := d.inFlight(); n > d.limit && !d.anything {
		d.t.Fatalf("%d are released and not settled, the concurrency is %d", n, d.limit)
	}
	for _, x := range rd.Send.Dispatch {
		if !d.released[x.Ordinal] || d.report(x.Ordinal).State.Final() || d.report(x.Ordinal).Attempt != x.Attempt {
			d.t.Fatalf("%+v is dispatched, durable is %v", x, d.report(x.Ordinal))
		}
		if x.Want != d.row.Wish {
			d.t.Fatalf("%+v is dispatched under the durable wish %v", x, d.row.Wish)
		}
	}
	for _, o := range rd.Send.Forget {
		if !d.report(o).State.Final() {
			d.t.Fatalf("ordinal %d is to be forgotten, durable is %v", o, d.report(o))
		}
	}
	for _, x := range rd.Send.Wishes {
		if !d.released[x.Ordinal] || x.Want != d.row.Wish || x.Want < task.DesiredWithdraw {
			d.t.Fatalf("%+v is wished under the durable wish %v", x, d.row.Wish)
		}
	}
	for _, o := range rd.Send.Query {
		if !d.released[o] {
			d.t.Fatalf("ordinal %d is asked for and was never released", o)
		}
	}
	if !slices.IsSorted(rd.Changed) || !slices.IsSorted(rd.Send.Forget) || !slices.IsSorted(rd.Send.Query) || !slices.IsSorted(rd.Persist.Released) {
		d.t.Fatalf("not in order: %+v", rd)
	}
	if rd.Settled {
		d.settled++
	}
	if d.settled > 1 {
		d.t.Fatal("the job has settled twice")
	}
	if got, want := d.row.Counts, d.counts(); got != want {
		d.t.Fatalf("the durable row counts %v, durable are %v", got, want)
	}
}

// checkRollout is promise 3 by what is durable alone: every release was allowed
// when it was made.
func (d *disk) checkRollout(before Row, fresh []uint32) {
	d.t.Helper()
	r, row := d.spec.Rollout, d.row
	if row.Batch > before.Batch && d.inFlight() > len(fresh) {
		d.t.Fatalf("batch %d begins while %d of those before have not settled", row.Batch, d.inFlight()-len(fresh))
	}
	if len(fresh) == 0 {
		return
	}
	if row.State != Running && row.State != Done {
		d.t.Fatalf("%v are released while the job is %s", fresh, row.State)
	}
	if gate := int(row.Gate); gate > 0 && len(d.released) > gate {
		d.t.Fatalf("%d are released, the pause point is after %d", len(d.released), gate)
	}
	for _, o := range fresh {
		if pos := int(d.plan.position(o)); pos >= d.plan.end(int(row.Batch)) {
			d.t.Fatalf("ordinal %d is released in batch %d, which ends before it", o, row.Batch)
		}
	}
	if bad := d.badCount(d.forgiven); r.MaxFailures.Limited && bad+d.inFlight() > r.MaxFailures.Of(d.targets.Len())+1 {
		d.t.Fatalf("%d are bad and %d in flight with a budget of %+v, and these were forgiven: %v", bad, d.inFlight(), r.MaxFailures, d.forgiven)
	}
}

// badCount is how many are bad, but for some.
func (d *disk) badCount(but map[uint32]bool) int {
	n := 0
	for o := range uint32(d.targets.Len()) {
		if d.isBad(o) && !but[o] {
			n++
		}
	}
	return n
}

func (d *disk) isBad(o uint32) bool {
	switch s := d.report(o).State; s { //nolint:exhaustive // by the words of the promise: all others
	case task.Succeeded, task.Canceled, task.Skipped:
		return false
	default:
		return s.Settled() && !slices.Contains(d.spec.Rollout.Tolerated, s)
	}
}

// forgive is what a resume of a spent budget does: task by task, as the promise
// has it, where the machine keeps a number.
func (d *disk) forgive(before Row, controls []ControlRow) {
	resumed := slices.ContainsFunc(controls, func(c ControlRow) bool { return c.Kind == ResumeRequest })
	if !resumed || before.Pause != PausedByBudget {
		return
	}
	d.forgiven = map[uint32]bool{}
	for o := range uint32(d.targets.Len()) {
		d.forgiven[o] = d.isBad(o)
	}
}

func (d *disk) report(o uint32) task.Report {
	if row, ok := d.tasks[o]; ok {
		return row.Report
	}
	if d.released[o] {
		return task.Report{Attempt: 1, State: task.Dispatched}
	}
	return task.Report{Attempt: 1, State: task.Pending}
}

func (d *disk) counts() Counts {
	var c Counts
	for o := range uint32(d.targets.Len()) {
		c.n[d.report(o).State/64]++
	}
	return c
}

func (d *disk) inFlight() int {
	n := 0
	for o := range d.released {
		if !d.report(o).State.Settled() {
			n++
		}
	}
	return n
}

// record is what a new owner loads.
func (d *disk) record() Record {
	r := Record{Row: d.row, Controls: d.controls}
	for o := range uint32(d.targets.Len()) {
		if d.released[o] {
			r.Released = append(r.Released, o)
		}
		if row, ok := d.tasks[o]; ok {
			r.Tasks = append(r.Tasks, row)
		}
	}
	return r
}

// rig is one machine, its store and the time.
type rig struct {
	t    *testing.T
	m    *Machine
	disk *disk
	now  time.Time
}

func newRig(t *testing.T, spec Spec, targets *Targets) *rig {
	t.Helper()
	m := New(spec, targets)
	return &rig{t: t, m: m, disk: newDisk(t, m), now: dawn()}
}

// step applies events that must succeed and returns what is owed.
func (r *rig) step(events ...Event) Ready {
	r.t.Helper()
	for _, ev := range events {
		if err := r.m.Step(r.now, ev); err != nil {
			r.t.Fatalf("%#v: %v", ev, err)
		}
	}
	return r.ready()
}

func (r *rig) ready() Ready {
	r.t.Helper()
	rd := r.m.Ready()
	r.disk.take(rd)
	if due, ok := r.m.Due(); ok && !due.After(r.now) && !r.m.now.IsZero() {
		r.t.Fatalf("at %s a tick is due at %s: the owner would spin", r.now, due)
	}
	return rd
}

// at moves the time to so long after dawn and ticks.
func (r *rig) at(d time.Duration) Ready {
	r.t.Helper()
	r.now = dawn().Add(d)
	return r.step(Tick{})
}

// restart is a take-over: a new machine from the store.
func (r *rig) restart() {
	r.t.Helper()
	r.m = New(r.m.spec, r.m.targets)
	if err := r.m.Restore(r.disk.record()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) ordinal(host string) uint32 {
	r.t.Helper()
	o, ok := r.m.targets.Find(fleet.HostID(host))
	if !ok {
		r.t.Fatalf("no target %s", host)
	}
	return o
}

func (r *rig) state(host string) string {
	r.t.Helper()
	return say(r.m.Task(r.ordinal(host)).Report)
}

// wantStates compares such as "a=RUNNING b=LOST/rebooted".
func (r *rig) wantStates(want string) {
	r.t.Helper()
	for pair := range strings.FieldsSeq(want) {
		host, state, _ := strings.Cut(pair, "=")
		if got := r.state(host); got != state {
			r.t.Errorf("%s is %s, want %s", host, got, state)
		}
	}
}

func (r *rig) wantError(want error, ev Event) {
	r.t.Helper()
	before := r.m.Row()
	if err := r.m.Step(r.now, ev); err != want { //nolint:errorlint // the machine promises bare errors
		r.t.Errorf("%#v: error %v, want %v", ev, err, want)
	}
	if after := r.m.Row(); after != before {
		r.t.Errorf("%#v was refused and changed the row from %+v to %+v", ev, before, after)
	}
}

func reach(host string) Reached { return Reached{Host: fleet.HostID(host), Incarnation: inc(1)} }

func reachAll(hosts ...string) []Event {
	var events []Event
	for _, h := range hosts {
		events = append(events, reach(h))
	}
	return events
}

// report makes a report of attempt 1 from a state and perhaps a reason.
func report(host string, s task.State, why ...task.Reason) Reported {
	ev := Reported{Host: fleet.HostID(host), Incarnation: inc(1), Report: task.Report{Attempt: 1, State: s}}
	for _, w := range why {
		ev.Report.Exit.Reason = w
	}
	if s == task.Failed {
		ev.Report.Exit.Code = 1
	}
	return ev
}

func (ev Reported) ofAttempt(n uint32) Reported {
	ev.Report.Attempt = n
	return ev
}

func cancelAs(id string) Cancel { return Cancel{RequestID: requestID(id)} }

// requestID makes a request id of a short name.
func requestID(name string) string { return name + strings.Repeat("-", 16) }

// say is such as LOST/rebooted or DISPATCHED#2.
func say(r task.Report) string {
	text := r.State.String()
	if r.Exit.Reason != task.NoReason {
		text += "/" + r.Exit.Reason.String()
	}
	if r.Attempt != 1 {
		text += fmt.Sprintf("#%d", r.Attempt)
	}
	return text
}

func ordinalsOf(list []Dispatch) []uint32 {
	var found []uint32
	for _, d := range list {
		found = append(found, d.Ordinal)
	}
	return found
}

func wantList(t *testing.T, what string, got []uint32, want ...uint32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
