package cctest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// clientName is the user's machine, as the name of a process for Cut.
const clientName = "client"

// openClient makes the connection of the user to all replicas of access, as
// the SDK makes its own.
func (c *Cluster) openClient() {
	c.t.Helper()
	c.processes[clientName] = &process{name: clientName} // a name for Cut; it never runs
	replicas := manual.NewBuilderWithScheme("ccs")
	var state resolver.State
	for _, p := range c.tier(tierAccess) {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: p.addr[0]}}})
	}
	replicas.InitialState(state)
	options := []grpc.DialOption{
		grpc.WithResolvers(replicas),
		grpc.WithTransportCredentials(credentials.NewTLS(c.trust.sourceFor(identity.User, User, c.trust.user).ClientTLS(identity.Access))),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"pick_first":{"shuffleAddressList":true}}]}`),
	}
	if c.doors == nil {
		options = append(options, grpc.WithContextDialer(c.net.dialer(clientName, "10.2.0.1")))
	}
	conn, err := grpc.NewClient("ccs:///access", options...)
	must(c.t, err)
	c.conn, c.client = conn, client.Over(conn, c.trust.user)
}

// Client is the SDK as the user.
func (c *Cluster) Client() *client.Client { return c.client }

// Conn is the user's connection, for what the SDK would not send.
func (c *Cluster) Conn() grpc.ClientConnInterface { return c.conn }

// AccessInUse is the replica that the user is connected to.
func (c *Cluster) AccessInUse() string {
	c.t.Helper()
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for w := range c.net.cables {
		if w.from == clientName {
			return w.to
		}
	}
	c.t.Fatal("the user is connected to no access")
	return ""
}

// Run submits a job; it must be accepted.
func (c *Cluster) Run(r client.Request) client.Job {
	c.t.Helper()
	j, err := c.Try(r)
	if err != nil {
		c.t.Fatalf("the job was not accepted: %v\n%s", err, c.state())
	}
	return j
}

// Try submits a job that may be refused.
func (c *Cluster) Try(r client.Request) (client.Job, error) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	return c.client.Run(ctx, r)
}

// Cancel stops a job.
func (c *Cluster) Cancel(j client.Job) client.Job {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	j, err := c.client.Cancel(ctx, j.ID, client.Cancel{})
	if err != nil {
		c.t.Fatalf("the job was not canceled: %v\n%s", err, c.state())
	}
	return j
}

// Tasks are all tasks of a job, by ordinal.
func (c *Cluster) Tasks(j client.Job) (tasks []client.Task) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	for t, err := range c.client.Tasks(ctx, j.ID, client.TaskFilter{}) {
		if err != nil {
			c.t.Fatalf("the tasks of job %s: %v\n%s", j.ID, err, c.state())
		}
		tasks = append(tasks, t)
	}
	return tasks
}

// Outcomes is the state of the task of each host, with its reason if it has
// one, such as "SKIPPED new_incarnation".
func (c *Cluster) Outcomes(j client.Job) map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for _, t := range c.Tasks(j) {
		if _, twice := out[t.Host]; twice {
			c.t.Errorf("job %s has two tasks on %s", j.ID, t.Host)
		}
		out[t.Host] = strings.TrimSpace(t.State + " " + t.Reason)
	}
	return out
}

// Job is a job by its id.
func (c *Cluster) Job(id string) client.Job {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	j, err := c.client.Job(ctx, id)
	if err != nil {
		c.t.Fatalf("job %s: %v\n%s", id, err, c.state())
	}
	return j
}

// Via is the aggregator that a host is attached to, as access sees it.
func (c *Cluster) Via(host string) string {
	c.t.Helper()
	attached, err := c.attached()
	if err != nil {
		c.t.Fatalf("who is attached is not known: %v", err)
	}
	return attached[host]
}

// MostAtOnce is the greatest number of tasks of a job that ran at one time, by
// the word of the hosts.
func (c *Cluster) MostAtOnce(j client.Job) (most int) {
	c.t.Helper()
	type edge struct {
		at   time.Time
		step int
	}
	var edges []edge
	for _, t := range c.Tasks(j) {
		if !t.StartedAt.IsZero() {
			edges = append(edges, edge{t.StartedAt, 1}, edge{t.EndedAt, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), a.step-b.step) })
	running := 0
	for _, e := range edges {
		running += e.step
		most = max(most, running)
	}
	return most
}

// Signed is what the host of a task has signed, and the key that the host table
// has for it.
func (c *Cluster) Signed(j client.Job, t client.Task) (capsule.Result, ed25519.PublicKey) {
	c.t.Helper()
	resp, err := accessv1.NewAccessServiceClient(c.conn).ListTasks(c.ctx, &accessv1.ListTasksRequest{JobId: j.ID, Host: t.Host})
	must(c.t, err)
	id, err := job.ParseID(j.ID)
	must(c.t, err)
	report, detail, err := wire.ResultFromProto(resp.GetTasks()[0].GetResult())
	must(c.t, err)
	for h, err := range c.store.Hosts(c.ctx, 0) {
		must(c.t, err)
		if string(h.ID) == t.Host {
			return capsule.Result{
				JobID: id, Host: h.ID, Incarnation: h.Incarnation, Report: report,
				Started: detail.StartedAt, Ended: detail.EndedAt, Outputs: detail.Outputs,
			}, h.PublicKey[:]
		}
	}
	c.t.Fatalf("the store has no row of %s", t.Host)
	return capsule.Result{}, nil
}

// Output is what a task wrote.
func (c *Cluster) Output(j client.Job, ref client.OutputRef) []byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	var b bytes.Buffer
	if err := c.client.Output(ctx, j.ID, ref, &b); err != nil {
		c.t.Fatalf("output %s of job %s: %v\n%s", ref.Digest, j.ID, err, c.state())
	}
	return b.Bytes()
}

// Hosts are the ids of all hosts, in the order of the rooms.
func (c *Cluster) Hosts() (names []string) {
	for i := range c.shape.hosts() {
		names = append(names, hostName(i))
	}
	return names
}

// tier is the processes of a tier, in order.
func (c *Cluster) tier(name string) (found []*process) {
	for _, p := range c.order {
		if c.processes[p].tier == name {
			found = append(found, c.processes[p])
		}
	}
	return slices.Clip(found)
}
