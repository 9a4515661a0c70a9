package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// putTasks takes an array for each column, in the order of taskArrays.args.
const putTasks = `INSERT INTO tasks (job, ordinal, state, revision, attempt, reason, code, signal, started, ended, outputs, signature, message, overdue, lost, concluded)
	SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::bigint[], $5::int[], $6::int[], $7::int[], $8::int[], $9::bigint[], $10::bigint[],
		$11::bytea[], $12::bytea[], $13::bytea[], $14::bool[], $15::int[], $16::bool[])
	ON CONFLICT (job, ordinal) DO UPDATE SET state = excluded.state, revision = excluded.revision, attempt = excluded.attempt,
		reason = excluded.reason, code = excluded.code, signal = excluded.signal, started = excluded.started, ended = excluded.ended,
		outputs = excluded.outputs, signature = excluded.signature, message = excluded.message, overdue = excluded.overdue,
		lost = excluded.lost, concluded = excluded.concluded`

// taskGroup is how many rows a statement writes: with more the arrays of unnest
// no longer fit into the processor's cache, nor into work_mem.
const taskGroup = 1000

// queueTasks writes rows that are sorted by job and ordinal, none twice.
func queueTasks(group *pgx.Batch, list []change[codec.Task]) {
	for rows := range slices.Chunk(list, taskGroup) {
		group.Queue(putTasks, newTaskArrays(rows).args()...)
	}
}

// taskArrays are the columns of rows of tasks.
type taskArrays struct {
	jobs                                                pgtype.FlatArray[pgtype.UUID]
	ordinals, states, attempts, reasons, codes, signals []int32
	revisions, started, ended                           []int64
	outputs, signatures, messages                       [][]byte
	overdue                                             []bool
	lost                                                []int32
	concluded                                           []bool
}

func newTaskArrays(list []change[codec.Task]) *taskArrays {
	n := len(list)
	ints := func() []int32 { return make([]int32, n) }
	longs := func() []int64 { return make([]int64, n) }
	blobs := func() [][]byte { return make([][]byte, n) }
	a := &taskArrays{
		jobs: make([]pgtype.UUID, n), ordinals: ints(), states: ints(), attempts: ints(), reasons: ints(), codes: ints(), signals: ints(), lost: ints(),
		revisions: longs(), started: longs(), ended: longs(), outputs: blobs(), signatures: blobs(), messages: blobs(),
		overdue: make([]bool, n), concluded: make([]bool, n),
	}
	for i := range list {
		row := list[i].row.Row
		exit, d := &row.Report.Exit, &row.Detail
		a.jobs[i], a.ordinals[i], a.states[i], a.revisions[i], a.attempts[i] = uuid(list[i].job), int32(row.Ordinal), int32(row.Report.State), int64(row.Revision), int32(row.Report.Attempt)
		a.reasons[i], a.codes[i], a.signals[i] = int32(exit.Reason), exit.Code, exit.Signal
		a.started[i], a.ended[i] = codec.Nanos(d.StartedAt), codec.Nanos(d.EndedAt)
		a.outputs[i], a.signatures[i], a.messages[i] = list[i].row.Refs, d.Signature, []byte(d.Message)
		a.overdue[i], a.lost[i], a.concluded[i] = d.Overdue, int32(row.Lost), row.Concluded
	}
	return a
}

func (a *taskArrays) args() []any {
	return []any{
		a.jobs, a.ordinals, a.states, a.revisions, a.attempts, a.reasons, a.codes, a.signals, a.started, a.ended,
		a.outputs, a.signatures, a.messages, a.overdue, a.lost, a.concluded,
	}
}
