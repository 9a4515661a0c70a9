package aggregator

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"google.golang.org/protobuf/proto"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// What is kept on the disk. A key is one letter and what it is about; a value
// begins with the version of its form.
const (
	keptTasks = 't' // job, incarnation, host: a release on its way, a wish, the newest report
	keptJobs  = 'j' // job: its capsule
	keptRuns  = 'r' // job, first ordinal: a run of its targets
	keptBlobs = 'b' // digest: an output
	keptHosts = 'h' // host: it has to say everything again; no host: those that are not known

	keptVersion     = 1
	keptTaskFrame   = 96 // of a task, without its report
	keptTargetFrame = 48 // of a target
)

// errKept says that an entry cannot be read: another version wrote it.
var errKept = errors.New("entry of the spool cannot be read")

func taskKey(id job.ID, inc fleet.Incarnation, host fleet.HostID) string {
	return string(keptTasks) + string(id[:]) + string(inc[:]) + string(host)
}

func jobKey(id job.ID) string { return string(keptJobs) + string(id[:]) }

func runKey(id job.ID, first uint32) string {
	return string(keptRuns) + string(id[:]) + string(binary.BigEndian.AppendUint32(nil, first))
}

func blobKey(digest [32]byte) string { return string(keptBlobs) + string(digest[:]) }

func hostKey(id fleet.HostID) string { return string(keptHosts) + string(id) }

// keptTask is a record as it is kept.
type keptTask struct {
	release *job.Dispatch     // nil: none is on its way
	attempt uint32            // where there is none
	wish    task.Desired      // goes by itself; 0: none does
	said    *sessionv1.Report // nil: nothing was said
}

// Bits of a kept task. Who does not know one of them leaves the entry out, and
// starts nothing of it.
const (
	bitRelease = 1 << iota
	bitStop
	bitStopping
	bitSaid
	bitWithdraw
	bitWithdrawing
)

// bitOf is how a wish is kept.
func bitOf(want task.Desired, withdraw, stop uint8) uint8 {
	switch {
	case want >= task.DesiredStop:
		return stop
	case want == task.DesiredWithdraw:
		return withdraw
	}
	return 0
}

// wishIn reads what bitOf has kept; none: what it is without a bit.
func wishIn(bits, withdraw, stop uint8, none task.Desired) task.Desired {
	switch {
	case bits&stop != 0:
		return task.DesiredStop
	case bits&withdraw != 0:
		return task.DesiredWithdraw
	}
	return none
}

func (k keptTask) bytes() []byte {
	var bits uint8
	ordinal, attempt := uint32(0), k.attempt
	if k.release != nil {
		bits, ordinal, attempt = bitRelease|bitOf(k.release.Want, bitWithdraw, bitStop), k.release.Ordinal, k.release.Attempt
	}
	bits |= bitOf(k.wish, bitWithdrawing, bitStopping)
	var said []byte
	if k.said != nil {
		bits |= bitSaid
		said = marshal(k.said)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, keptTaskFrame+len(said)))
	b.AddUint8(keptVersion)
	b.AddUint8(bits)
	b.AddUint32(ordinal)
	b.AddUint32(attempt)
	b.AddBytes(said)
	return b.BytesOrPanic() // no prefix that could be too small
}

func readKeptTask(value []byte) (k keptTask, err error) {
	in := cryptobyte.String(value)
	var version, bits uint8
	var ordinal, attempt uint32
	if !in.ReadUint8(&version) || version != keptVersion || !in.ReadUint8(&bits) || bits >= bitWithdrawing<<1 ||
		!in.ReadUint32(&ordinal) || !in.ReadUint32(&attempt) {
		return k, errKept
	}
	k.attempt, k.wish = attempt, wishIn(bits, bitWithdrawing, bitStopping, 0)
	if bits&bitRelease != 0 {
		if attempt == 0 {
			return k, errKept
		}
		k.release = &job.Dispatch{Ordinal: ordinal, Attempt: attempt, Want: wishIn(bits, bitWithdraw, bitStop, task.DesiredRun)}
	}
	if bits&bitSaid == 0 {
		return k, nil
	}
	k.said = &sessionv1.Report{}
	if err := proto.Unmarshal(in, k.said); err != nil {
		return k, fmt.Errorf("%w: %w", errKept, err)
	}
	return k, nil
}

// readTaskKey reads what follows the letter of a task's key.
func readTaskKey(key string) (id job.ID, inc fleet.Incarnation, host fleet.HostID, err error) {
	if len(key) < len(id)+len(inc) {
		return id, inc, "", errKept
	}
	copy(id[:], key)
	copy(inc[:], key[len(id):])
	host, err = fleet.ParseHostID(key[len(id)+len(inc):])
	return id, inc, host, err
}

// keptJob is what the releases of a job have in common, as it is kept.
type keptJob struct {
	pool    string
	capsule *typesv1.Envelope
}

func (k keptJob) bytes() []byte {
	pool := k.pool[:min(len(k.pool), 255)] // no pool's name is longer
	return append(append([]byte{keptVersion, byte(len(pool))}, pool...), marshal(k.capsule)...)
}

func readKeptJob(value []byte) (k keptJob, err error) {
	in := cryptobyte.String(value)
	var version uint8
	var pool cryptobyte.String
	if !in.ReadUint8(&version) || version != keptVersion || !in.ReadUint8LengthPrefixed(&pool) {
		return k, errKept
	}
	k.pool, k.capsule = string(pool), &typesv1.Envelope{}
	if err := proto.Unmarshal(in, k.capsule); err != nil {
		return k, fmt.Errorf("%w: %w", errKept, err)
	}
	return k, nil
}

// bytes is a run of targets as it is kept: a payload without its capsule.
func (r *targetRange) bytes() []byte {
	out := &meshv1.Payload{Proof: wire.RangeProofToProto(r.proof)}
	for _, t := range r.targets {
		out.Targets = append(out.Targets, wire.TargetToProto(t))
	}
	return append([]byte{keptVersion}, marshal(out)...)
}

func readKeptRun(value []byte) (*meshv1.Payload, error) {
	if len(value) == 0 || value[0] != keptVersion {
		return nil, errKept
	}
	out := &meshv1.Payload{}
	if err := proto.Unmarshal(value[1:], out); err != nil {
		return nil, fmt.Errorf("%w: %w", errKept, err)
	}
	return out, nil
}
