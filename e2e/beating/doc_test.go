// Package beating proves that the spine takes a beating: whatever of the control
// plane is killed, is away or is asked to end while jobs run, every task ends
// exactly once and with its true outcome, and who follows a job misses nothing.
// What was started and how it ended is read in files outside CCS.
package beating
