// Package summary finds what stands out among the tasks of one job: the slowest,
// the silent, and groups of equal results. It is told each task once, in any
// order but ascending within a group, and keeps a few bytes of it. It asks nobody
// and has no clock; it is not safe for concurrent use.
package summary
