// Package commit writes what the shards of one scheduler process owe to the
// store: one transaction for all that are waiting, while the next group gathers
// (architecture section 9). It knows nothing of jobs.
package commit
