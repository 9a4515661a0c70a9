package memory

import (
	"maps"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// What goes in and out is copied, so that a caller who reuses a buffer, or
// edits an answer, changes nothing here.

func cloneSpec(s job.Spec) job.Spec {
	s.Rollout.Batches = slices.Clone(s.Rollout.Batches)
	s.Rollout.PauseAfter = slices.Clone(s.Rollout.PauseAfter)
	s.Rollout.PauseBatches = slices.Clone(s.Rollout.PauseBatches)
	s.Rollout.Tolerated = slices.Clone(s.Rollout.Tolerated)
	return s
}

func cloneTask(r job.TaskRow) job.TaskRow {
	r.Detail.Outputs = slices.Clone(r.Detail.Outputs)
	r.Detail.Signature = slices.Clone(r.Detail.Signature)
	return r
}

func cloneHost(h fleet.Host) fleet.Host {
	h.Labels, h.Facts = maps.Clone(h.Labels), maps.Clone(h.Facts)
	return h
}
