package sim

import (
	"maps"
	"slices"
	"testing"
)

// least is how often things happen at least in 2,000 seeds: about a third of how
// often they do. What does not happen is not tested, and nobody would notice.
func least() map[string]int {
	return map[string]int{
		"a batch began":                                        840,
		"a batch came twice":                                   720,
		"a batch passed a host that was away":                  40,
		"a capsule was fetched":                                1400,
		"a conclusion was corrected":                           17,
		"a control request changed nothing":                    940,
		"a heartbeat was missing":                              1100,
		"a host answered PAST_W":                               170,
		"a host said that it was let forget a task":            200,
		"a host came back and was released in a later batch":   4,
		"a host was hit between two writes":                    270,
		"a host was hit with a command that it has taken over": 83,
		"a host was hit with a record of an attempt":           53,
		"a host was hit with an end-process that begins":       56,
		"a host was not here":                                  19,
		"a job in flight was taken over":                       1600,
		"a job reached a pause point":                          440,
		"a job was signed":                                     2000,
		"a job was stopped at its deadline, or by its budget":  430,
		"a later attempt was started":                          160,
		"a lost job was submitted again":                       3300,
		"a message overtook another":                           14,
		"a paused job was taken over":                          310,
		"a payload was asked for":                              440,
		"a ping was answered":                                  620,
		"a ping was answered again":                            23,
		"a release waited for credit":                          330,
		"a release was not known":                              530,
		"a report waited for credit":                           490,
		"a report waited for the store":                        14,
		"a resync was asked for":                               1100,
		"a retry was refused: its parent lives":                18,
		"a retry was signed":                                   410,
		"a scheduler crashed between commit and reply":         39,
		"a scheduler crashed between step and commit":          190,
		"a scheduler crashed between two sends":                40,
		"a scheduler crashed with a commit under way":          46,
		"a shard was claimed":                                  6500,
		"a stale control revision was refused":                 80,
		"a third attempt was started":                          8,
		"a tombstone was purged":                               3700,
		"a user asked for something":                           2300,
		"a user canceled a job":                                120,
		"a user paused a job":                                  240,
		"agent-kill":                                           2400,
		"aggregator-crash":                                     1200,
		"an aggregator did not have a capsule":                 70,
		"an aggregator has lost its spool":                     720,
		"an attempt was started":                               3500,
		"an old owner was fenced off":                          920,
		"an outcome came after UNKNOWN":                        51,
		"clock":                                                2400,
		"coord-down":                                           1100,
		"decided: record_expired":                              8,
		"decided: record_rebooted":                             240,
		"decided: record_supervisor_lost":                      180,
		"decided: report":                                      9900,
		"decided: start_end_process":                           4000,
		"decided: take_over":                                   850,
		"decided: watch":                                       8700,
		"delay":                                                30000,
		"duplicate":                                            2800,
		"end-process-kill":                                     8000,
		"etcd came back from a snapshot":                       430,
		"executor-kill":                                        2600,
		"host-gone":                                            420,
		"loss":                                                 1200,
		"lost-reply":                                           800,
		"outcome CANCELED before_start":                        37,
		"outcome CANCELED killed":                              160,
		"outcome EXPIRED start_by_passed":                      3100,
		"outcome FAILED":                                       410,
		"outcome LOST forgotten":                               150,
		"outcome LOST rebooted":                                150,
		"outcome LOST state_wiped":                             95,
		"outcome LOST supervisor_lost":                         93,
		"outcome REFUSED freeze":                               310,
		"outcome REFUSED parent_lives":                         16,
		"outcome SKIPPED aborted":                              250,
		"outcome SKIPPED job_canceled":                         460,
		"outcome SKIPPED new_incarnation":                      250,
		"outcome START_FAILED no_account":                      450,
		"outcome SUCCEEDED":                                    2700,
		"outcome TIMED_OUT timeout":                            340,
		"outcome UNKNOWN silent":                               98,
		"outcome UNKNOWN still_running":                        38,
		"partition":                                            1500,
		"push-off":                                             5800,
		"reboot":                                               4100,
		"scheduler-crash":                                      1200,
		"scheduler-freeze":                                     1200,
		"store-down":                                           1700,
		"store-restore":                                        1500,
		"strays were asked again":                              82,
		"stream-break":                                         7000,
		"the budget paused a job":                              200,
		"the clock of a scheduler was set":                     470,
		"the clock of an aggregator was set":                   480,
		"the store was restored":                               440,
		"unclear":                                              780,
		"user":                                                 2000,
		"wipe":                                                 780,
	}
}

// reached looks at whether the runs do what they are for.
func reached(t *testing.T, total Tally, seeds int) {
	t.Helper()
	want := least()
	for _, what := range slices.Sorted(maps.Keys(want)) {
		if few := want[what] * seeds / 2000; total[what] < max(1, few) {
			t.Errorf("%q happened %d times in %d seeds, at least %d are wanted", what, total[what], seeds, max(1, few))
		}
	}
	for _, what := range slices.Sorted(maps.Keys(total)) {
		if _, known := want[what]; !known {
			t.Errorf("%q happened %d times, and nobody asks for it", what, total[what])
		}
	}
	for _, kind := range faultNames {
		if want[kind] == 0 {
			t.Errorf("nobody asks whether there were faults of the kind %s", kind)
		}
	}
}
