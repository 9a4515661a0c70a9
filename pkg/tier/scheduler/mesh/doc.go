// Package mesh is the scheduler's side of the full mesh: one stream to every
// aggregator, opened again when it breaks, with what is owed to each room in
// bounded, task-keyed outboxes. It passes on what comes up and decides nothing.
package mesh
