package main

import "github.com/ccs-project/ccs/pkg/client"

type summaryDocument struct {
	Job         jobDocument     `json:"job"`
	Slowest     []taskDocument  `json:"slowest"`
	Silent      []taskDocument  `json:"silent"`
	SilentCount int             `json:"silent_count"` // of all that are silent
	Groups      []groupDocument `json:"groups"`
	GroupCount  int             `json:"group_count"` // of all groups
}

type groupDocument struct {
	State        string   `json:"state"`
	Reason       string   `json:"reason,omitempty"`
	ExitCode     *int     `json:"exit_code,omitempty"` // of SUCCEEDED and FAILED
	Signal       int      `json:"signal,omitempty"`
	Count        int      `json:"count"`
	Hosts        []string `json:"hosts"` // some of them
	StdoutSHA256 string   `json:"stdout_sha256,omitempty"`
	StdoutSize   uint64   `json:"stdout_size"`
	StdoutCut    uint64   `json:"stdout_cut,omitempty"`
	StdoutTail   uint64   `json:"stdout_tail,omitempty"`
	StderrSHA256 string   `json:"stderr_sha256,omitempty"`
	StderrSize   uint64   `json:"stderr_size"`
	StderrCut    uint64   `json:"stderr_cut,omitempty"`
	StderrTail   uint64   `json:"stderr_tail,omitempty"`
}

func (a *app) summaryDocument(s client.Summary) summaryDocument {
	doc := summaryDocument{
		Job: a.jobDocument(s.Job), Slowest: []taskDocument{}, Silent: []taskDocument{}, SilentCount: s.SilentCount,
		Groups: []groupDocument{}, GroupCount: s.GroupCount,
	}
	for _, t := range s.Slowest {
		doc.Slowest = append(doc.Slowest, a.taskDocument(t))
	}
	for _, t := range s.Silent {
		doc.Silent = append(doc.Silent, a.taskDocument(t))
	}
	for _, g := range s.Groups {
		d := groupDocument{
			State: g.State, Reason: g.Reason, Signal: g.Signal, Count: g.Count, Hosts: append([]string{}, g.Hosts...),
			StdoutSHA256: g.Stdout.Digest, StdoutSize: g.Stdout.Size, StdoutCut: g.Stdout.Cut, StdoutTail: g.Stdout.Tail,
			StderrSHA256: g.Stderr.Digest, StderrSize: g.Stderr.Size, StderrCut: g.Stderr.Cut, StderrTail: g.Stderr.Tail,
		}
		if g.State == "SUCCEEDED" || g.State == "FAILED" && g.Signal == 0 {
			d.ExitCode = &g.ExitCode
		}
		doc.Groups = append(doc.Groups, d)
	}
	return doc
}
