package client

import (
	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

type Client struct {
	stub  accessv1.AccessServiceClient
	State task.State
	inner
}

type inner struct{ Job job.ID }

type hidden struct{ Job job.ID }

func (c *Client) Submit(id job.ID) error { return c.send(id) }

func (c *Client) send(job.ID) error { _ = hidden{}; return nil }

func (h hidden) Show() job.ID { return h.Job }

type Watcher interface {
	Watch() <-chan *accessv1.WatchJobResponse
}

type State = task.State

var Nothing, quiet = task.Unspecified, task.Unspecified

func Name(text string) string { return string(job.ID{}.Text(text)) }
