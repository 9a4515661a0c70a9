// Package restore rehearses docs/backup.md with real processes: the store is backed
// up while jobs run, lost, and restored; and etcd goes back to an older snapshot.
// What ran on hosts is read in files outside CCS.
package restore
