// Command ccs-access is the entrance for users: it says who calls, and passes
// each call to the scheduler that it is for. Any number of them may run.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/ccs-project/ccs/cmd/internal/etcdconn"
	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/tier/access"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

type config struct {
	Domain string          `mapstructure:"domain"` // trust domain
	Listen string          `mapstructure:"listen"` // for users
	TLS    identity.Files  `mapstructure:"tls"`
	Etcd   etcdconn.Config `mapstructure:"etcd"`
	Access access.Config   `mapstructure:",squash"`
}

// Validate lists every fault.
func (c config) Validate() error {
	faults := []error{c.TLS.Validate(), c.Etcd.Validate(), c.Access.Validate()}
	if c.Domain == "" {
		faults = append(faults, errors.New("domain is not set: give the trust domain, such as demo.ccs"))
	}
	if c.Listen == "" {
		faults = append(faults, errors.New("listen is not set: give host:port, such as :7400"))
	}
	return errors.Join(faults...)
}

func main() {
	os.Exit(setup.Run(context.Background(), setup.Program[config]{
		Name:          "access",
		Short:         "ccs-access is the entrance for users of CCS.",
		Default:       config{Listen: ":7400", Etcd: etcdconn.DefaultConfig(), Access: access.DefaultConfig()},
		MetricsListen: ":7500",
		TraceRatio:    1,
		Run:           serve,
	}))
}

func serve(ctx context.Context, p setup.Process, c config) (err error) {
	source, err := identity.NewSource(c.TLS, p.Log)
	if err != nil {
		return err
	}
	if source.ID().Domain != c.Domain {
		return fmt.Errorf("cannot serve: domain is %s, but the certificate %s is of %s", c.Domain, c.TLS.Cert, source.ID())
	}
	etcd, err := etcdconn.Open(c.Etcd, p.Log, p.Telemetry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, etcd.Close()) }()
	server, err := access.New(c.Access, access.Deps{Log: p.Log, Identity: source, Coord: etcd, Telemetry: p.Telemetry})
	if err != nil {
		return err
	}
	p.Check(server.Check)
	p.Expires(source.NotAfter)
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	return p.Serve(ctx, server.Ready(), map[string]string{"listen": lis.Addr().String()},
		func(ctx context.Context) error { return server.Run(ctx, lis) })
}
