// Package memory keeps the store in maps, for tests: several schedulers of one
// test share one Store, and it works inside testing/synctest.
//
// It is a second version of the contract, not a recording: it claims, fences,
// numbers and pages by itself, and passes the same suite. Nothing survives the
// process. FailNext makes the next commit fail before or after it is applied,
// Damage makes a job unreadable.
package memory
