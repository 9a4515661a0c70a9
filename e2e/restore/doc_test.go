// Package restore rehearses docs/backup.md with real processes: the store is backed
// up while jobs run, lost, and restored, by the commands that the page gives. (An
// etcd that goes back to an older snapshot is in e2e/degrade.)
// What ran on hosts is read in files outside CCS.
package restore
