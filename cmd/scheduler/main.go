// Command ccs-scheduler owns jobs: it accepts them, releases their tasks, hears
// their outcomes, and is the only process that talks to the job store.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/ccs-project/ccs/cmd/internal/etcdconn"
	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/run/failpoint"
	"github.com/ccs-project/ccs/pkg/tier/scheduler"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

type config struct {
	Domain    string           `mapstructure:"domain"` // trust domain
	Listen    string           `mapstructure:"listen"` // for access and issuer
	TLS       identity.Files   `mapstructure:"tls"`
	Etcd      etcdconn.Config  `mapstructure:"etcd"`
	Store     storeConfig      `mapstructure:"store"`
	Scheduler scheduler.Config `mapstructure:",squash"`
}

// Validate lists every fault.
func (c config) Validate() error {
	faults := []error{c.TLS.Validate(), c.Etcd.Validate(), c.Store.Validate(), c.Scheduler.Validate()}
	if c.Domain == "" {
		faults = append(faults, errors.New("domain is not set: give the trust domain, such as demo.ccs"))
	}
	if c.Listen == "" {
		faults = append(faults, errors.New("listen is not set: give host:port, such as :7410"))
	}
	return errors.Join(faults...)
}

const metricsListen = ":7510"

func defaults() config {
	return config{
		Listen: ":7410", Etcd: etcdconn.DefaultConfig(),
		Store: defaultStore(), Scheduler: scheduler.DefaultConfig(),
	}
}

func main() {
	failpoint.Arm("failpoints") // in the working directory, and in builds for tests alone
	ctx := context.Background()
	if status, is := asVerb(ctx, os.Args[1:]); is {
		os.Exit(status)
	}
	os.Exit(setup.Run(ctx, setup.Program[config]{
		Name: "scheduler",
		Short: "ccs-scheduler owns jobs of CCS: it accepts, releases and settles them.\n" +
			"What an operator can do to the job store: see ccs-scheduler store --help.",
		Default:       defaults(),
		MetricsListen: metricsListen,
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
	jobs, err := c.Store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, jobs.Close()) }()
	server, err := scheduler.New(c.Scheduler, scheduler.Deps{
		Log: p.Log, Identity: source, Coord: etcd, Telemetry: p.Telemetry, Store: jobs, Version: p.Version,
	})
	if err != nil {
		return err
	}
	p.Check(server.Check)
	p.Expires(source.NotAfter)
	return listen(ctx, p, c.Listen, server)
}

func listen(ctx context.Context, p setup.Process, address string, server *scheduler.Scheduler) error {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	return p.Serve(ctx, server.Ready(), map[string]string{"listen": lis.Addr().String()},
		func(ctx context.Context) error { return server.Run(ctx, lis) })
}
