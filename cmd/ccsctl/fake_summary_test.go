package main

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// SummarizeJob finds h3 away and h4 silent while they run, and every result to be
// one of its own; of four and more it names three, the first with 30 hosts more.
func (f *fake) SummarizeJob(_ context.Context, req *accessv1.SummarizeJobRequest) (*accessv1.SummarizeJobResponse, error) {
	if err := f.step("SummarizeJob"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(req.GetJobId())
	if err != nil {
		return nil, err
	}
	out := &accessv1.SummarizeJobResponse{Job: j.job}
	for _, t := range j.tasks {
		s := t.GetResult().GetStatus()
		switch {
		case s.GetState() == typesv1.TaskState_TASK_STATE_RUNNING && t.GetHostId() == "h3":
			t.Unreachable, t.UnreachableSince = true, j.job.GetCreatedAt()
			fallthrough
		case s.GetState() == typesv1.TaskState_TASK_STATE_RUNNING && t.GetHostId() == "h4":
			out.Silent = append(out.Silent, t)
		}
		if s.GetState() >= typesv1.TaskState_TASK_STATE_RUNNING && len(out.GetSlowest()) < 3 {
			out.Slowest = append(out.Slowest, t)
		}
		if s.GetState() >= typesv1.TaskState_TASK_STATE_UNKNOWN {
			out.Groups = append(out.Groups, &accessv1.ResultGroup{Status: s, Outputs: t.GetResult().GetOutputs(), Count: 1, Hosts: []string{t.GetHostId()}})
		}
	}
	out.SilentCount, out.GroupCount = uint32(len(out.GetSilent())), uint32(len(out.GetGroups()))
	if n := len(out.GetGroups()); n > 3 { // the first stands for more than it names
		out.Groups = out.GetGroups()[:3]
		out.Groups[0].Count += 30
	}
	return proto.CloneOf(out), nil
}

// again are the hosts of a retry. The caller does not hold mu.
func (f *fake) again(q *accessv1.TargetQuery) ([]fleet.Host, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(q.GetParentJobId())
	if err != nil {
		return nil, err
	}
	var found []fleet.Host
	for _, h := range f.fleet() {
		for _, t := range j.tasks {
			s := t.GetResult().GetStatus().GetState()
			asked := len(q.GetOutcomes()) == 0 && task.State(s).Bad() && s != typesv1.TaskState_TASK_STATE_UNKNOWN && s != typesv1.TaskState_TASK_STATE_LOST
			for _, o := range q.GetOutcomes() {
				asked = asked || o == s
			}
			if asked && t.GetHostId() == string(h.ID) {
				found = append(found, h)
			}
		}
	}
	if len(found) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no task of job "+q.GetParentJobId()+" has ended so: there is nothing to retry, or name other outcomes")
	}
	return found, nil
}
