package devcluster

import (
	"context"
	"errors"
	"log/slog"

	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/etcd"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// seed writes into etcd what an operator decides: which pool serves which
// class, and the signed bundle of keys.
func (c *Cluster) seed(ctx context.Context, bundle []byte) error {
	client, err := c.operator()
	if err != nil {
		return err
	}
	return errors.Join(
		coord.PutClass(ctx, client, "standard", "standard"),
		coord.PutClass(ctx, client, "critical", "critical"),
		coord.PutBundle(ctx, client, bundle),
		client.Close(),
	)
}

// operator is a connection to etcd with the operator's certificate; the caller
// closes it.
func (c *Cluster) operator() (*etcd.Client, error) {
	source, err := identity.NewSource(c.plan.etcdFiles("operator"), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	cfg := etcd.DefaultConfig()
	for _, p := range c.plan.parts {
		if p.tier == tierEtcd { // not through what is before it: whoever looks is to see
			cfg.Endpoints = append(cfg.Endpoints, p.addresses["listen"])
		}
	}
	return etcd.New(cfg, source.ClientTLS(identity.Etcd), slog.New(slog.DiscardHandler))
}
