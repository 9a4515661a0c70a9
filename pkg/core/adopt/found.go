package adopt

// Record says in what state a record is on disk. Records are written to a
// temporary file, synced and put in place in one step, so a crash leaves them
// missing or whole; damaged means that the disk or somebody's hand changed one.
type Record uint8

// The states of a record.
const (
	Missing Record = iota
	Whole
	Damaged
)

// Claim is the attempt's record: the one path that whoever decides about the
// start creates with link(2). Whoever creates it first has decided, and that
// alone is "never twice" (architecture section 8).
type Claim uint8

// The states of the attempt's record.
const (
	NoClaim      Claim = iota // nobody has decided: certainly not started
	Begun                     // an end-process made it: may have started
	Decided                   // CANCELED, EXPIRED or START_FAILED was made before a start: certainly not started
	DamagedClaim              // unreadable: may have started
)

// Found is what is on disk of one attempt. The zero value is a directory with
// nothing in it.
type Found struct {
	Spec     Record // what to run; synced before the command was acknowledged
	Stop     bool   // the wish to stop
	Claim    Claim  // the attempt's record
	Run      Record // the leader's identity, written once it runs
	Exit     Record // the outcome, written at the end; LOST is written here too
	Released bool   // a tombstone exists: the directory is being deleted
}

// Process says whether an end-process lives, proved by boot id, pid and start
// time or by a pidfd, never by a pid alone.
type Process uint8

// What can be known of an end-process.
const (
	Dead    Process = iota // proved gone, or never recorded
	Alive                  // proved alive
	Unclear                // could not be looked at: not dead
)

// Liveness is what lives of one attempt, and the two facts about time that
// matter. It must belong to the records that it is decided with: read the
// records, look who lives, read the records again; if the attempt's or the run
// record is another one now, begin anew. Decide is asked with the second
// reading. So an end-process that ends in between has its exit record seen,
// and one that begins in between is not taken for dead.
type Liveness struct {
	EndProcess    Process
	Tree          bool // the leader or anything of its tree lives, or cannot be shown to be gone
	OtherBoot     bool // a record names another boot id than the present one
	StartByPassed bool // by this host's clock
}
