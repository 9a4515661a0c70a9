// Package quarantine proves with real processes that one malformed job does not
// take a scheduler, or all of them, with it (Baidu's accident; architecture
// section 9): it is set aside, visible with the reason, whoever owns its shard, and
// the others go on. The scheduler is built with failpoints, which make it panic, or
// end outright, when a host reports on the job.
package quarantine
