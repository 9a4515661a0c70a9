// Package sqlite keeps the store in one SQLite file that all schedulers of one
// machine share, each process with its own connections.
//
// Durability: WAL with synchronous=FULL. In WAL mode a transaction is on disk
// when the frame that carries its commit mark is; FULL syncs the WAL after
// that frame and before COMMIT returns (sqlite3PagerCommit → walFrames with
// sync_flags set), where NORMAL would sync only at checkpoints and could lose
// acknowledged commits to a power cut. The directory entries of a new WAL are
// synced with its first sync. A checkpoint only moves pages that are already
// durable. So what Commit has acknowledged survives kill -9 and power loss.
//
// Concurrency: WAL lets readers go on beside the one writer, on a snapshot of
// their own, and BEGIN IMMEDIATE takes the write lock before anything is read,
// so that no transaction fails half way because another process wrote first.
// Within a process one connection writes and a pool reads; between processes
// writers queue up (queue). A checkpoint never stops readers or other writers.
//
// It is not for network file systems (refused) and not for several machines:
// that is what PostgreSQL is for.
package sqlite
