package devcluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Listener is one address of the cluster on which somebody listens.
type Listener struct {
	Process string // such as aggregator-bj01-1
	Tier    string // such as aggregator
	Key     string // of the config, such as session_listen
	Address string // host:port
}

// Listeners lists every TCP address of the cluster, in the order of its processes.
func (c *Cluster) Listeners() (all []Listener) {
	for _, p := range c.plan.parts {
		all = append(all, p.listeners()...)
	}
	return all
}

func (p part) listeners() (all []Listener) {
	for _, key := range listens[p.tier] {
		all = append(all, Listener{Process: p.name, Tier: p.tier, Key: key, Address: p.addresses[key]})
	}
	return all
}

// Socket is the path of the unix socket of a host's executor.
func (c *Cluster) Socket(host string) string { return c.layout.socket(host) }

// PKI is the path of a file of the cluster's trust, such as ca.key.
func (c *Cluster) PKI(file string) string { return c.layout.pki(file) }

// UserFiles are the certificate and key of the demo user.
func (c *Cluster) UserFiles() identity.Files { return c.plan.files(DemoUser) }

// EtcdFiles are the certificate and key with which a process, or "operator",
// goes to etcd: those of another CA.
func (c *Cluster) EtcdFiles(name string) identity.Files { return c.plan.etcdFiles(name) }

// ErrNoOwner says that nobody holds the shard of a job now.
var ErrNoOwner = errors.New("nobody holds the shard")

// Owner is the name of the scheduler that holds the shard of a job, as etcd
// says it now.
func (c *Cluster) Owner(ctx context.Context, pool, jobID string) (name string, err error) {
	id, err := job.ParseID(jobID)
	if err != nil {
		return "", err
	}
	client, err := c.operator()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	members, err := coord.GetMembers(ctx, client, coord.Scheduler)
	if err != nil {
		return "", err
	}
	for _, m := range members.Members {
		if m.Pool != pool {
			continue
		}
		key := coord.ShardKey(pool, uint32(job.ShardOf(id, uint16(m.Shards))))
		view, err := client.Get(ctx, key)
		if err != nil {
			return "", err
		}
		if holder := string(view.Items[key]); holder != "" {
			return holder, nil
		}
		return "", fmt.Errorf("%w %s", ErrNoOwner, key)
	}
	return "", fmt.Errorf("%w: pool %q has no scheduler", ErrNoOwner, pool)
}

// Lacking says what etcd lacks of a whole control plane, as it says it now:
// members that are not announced, shards that no announced scheduler holds.
// Empty: nothing.
func (c *Cluster) Lacking(ctx context.Context) (lacking []string, err error) {
	client, err := c.operator()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	announced := map[string]bool{}
	keys := []string{coord.HostTableKey}
	for _, kind := range []coord.Kind{coord.Scheduler, coord.Aggregator} {
		members, err := coord.GetMembers(ctx, client, kind)
		if err != nil {
			return nil, err
		}
		for _, m := range members.Members {
			announced[m.Name] = true
			for n := range m.Shards {
				keys = append(keys, coord.ShardKey(m.Pool, n))
			}
		}
	}
	for _, name := range c.plan.names(tierScheduler, tierAggregator) {
		if !announced[name] {
			lacking = append(lacking, "member "+name)
		}
	}
	held, err := client.Get(ctx, "shards/")
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if !announced[string(held.Items[key])] {
			lacking = append(lacking, key)
		}
	}
	return lacking, nil
}

// Exit is how the newest process of a name ended; it waits for the end of one
// that runs.
func (c *Cluster) Exit(ctx context.Context, name string) (guard.Exit, error) {
	if _, err := c.crew.member(name); err != nil {
		return guard.Exit{}, err
	}
	return c.crew.guard.Wait(ctx, name)
}
