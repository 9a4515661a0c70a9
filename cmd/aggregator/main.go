// Command ccs-aggregator holds the sessions of the hosts of one room: commands
// go down through it, and reports come up. Two or more of them serve a room.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/ccs-project/ccs/cmd/internal/etcdconn"
	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/state/roomspool/disk"
	"github.com/ccs-project/ccs/pkg/tier/aggregator"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

type config struct {
	Domain        string            `mapstructure:"domain"`         // trust domain
	Listen        string            `mapstructure:"listen"`         // mesh: for schedulers
	SessionListen string            `mapstructure:"session_listen"` // for hosts
	TLS           identity.Files    `mapstructure:"tls"`
	Etcd          etcdconn.Config   `mapstructure:"etcd"`
	StateDir      string            `mapstructure:"state_dir"`   // of the room spool
	SpoolBytes    int64             `mapstructure:"spool_bytes"` // that the room spool may take on the disk
	Aggregator    aggregator.Config `mapstructure:",squash"`
}

// spoolTask is about what a task takes in the room spool; what lives there takes
// its size twice on the disk.
const spoolTask = 2 << 10

// Validate lists every fault. What is advertised may be left out: it is then
// what the mesh port listens on.
func (c config) Validate() error {
	c.Aggregator.Advertise = cmp.Or(c.Aggregator.Advertise, c.Listen)
	faults := []error{c.TLS.Validate(), c.Etcd.Validate(), c.Aggregator.Validate()}
	for _, k := range []struct{ key, value, do string }{
		{"domain", c.Domain, "give the trust domain, such as demo.ccs"},
		{"listen", c.Listen, "give host:port of the mesh, such as :7420"},
		{"session_listen", c.SessionListen, "give host:port for hosts, such as :7421"},
		{"state_dir", c.StateDir, "give a directory of this aggregator alone, such as /var/lib/ccs/aggregator"},
	} {
		if k.value == "" {
			faults = append(faults, fmt.Errorf("%s is not set: %s", k.key, k.do))
		}
	}
	if least := disk.MinQuota + 2*(c.Aggregator.BlobBytes+spoolTask*int64(c.Aggregator.MaxTasks)); c.SpoolBytes < least {
		faults = append(faults, fmt.Errorf("spool_bytes %d: give at least %d, twice what blob_bytes and max_tasks let in, so that these, which classes share, are what is reached first", c.SpoolBytes, least))
	}
	return errors.Join(faults...)
}

func main() {
	os.Exit(setup.Run(context.Background(), setup.Program[config]{
		Name:  "aggregator",
		Short: "ccs-aggregator holds the sessions of the hosts of a room.",
		Default: config{
			Listen: ":7420", SessionListen: ":7421", StateDir: "/var/lib/ccs/aggregator", SpoolBytes: 4 << 30,
			Etcd: etcdconn.DefaultConfig(), Aggregator: aggregator.DefaultConfig(),
		},
		MetricsListen: ":7520",
		Run:           serve,
	}))
}

func serve(ctx context.Context, p setup.Process, c config) (err error) {
	source, err := identity.NewSource(c.TLS, p.Log)
	if err != nil {
		return err
	}
	if id := source.ID(); id.Domain != c.Domain || id.Role != identity.Aggregator || id.Name != c.Aggregator.Name {
		return fmt.Errorf("cannot serve: this is aggregator %s of %s, but the certificate %s is of %s", c.Aggregator.Name, c.Domain, c.TLS.Cert, id)
	}
	etcd, err := etcdconn.Open(c.Etcd, p.Log, p.Telemetry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, etcd.Close()) }()
	spool, err := disk.Open(disk.Config{Dir: filepath.Join(c.StateDir, "spool"), Quota: c.SpoolBytes}, p.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	mesh, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen for schedulers: %w", err)
	}
	session, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.SessionListen)
	if err != nil {
		return fmt.Errorf("cannot listen for hosts: %w", errors.Join(err, mesh.Close()))
	}
	c.Aggregator.Advertise = cmp.Or(c.Aggregator.Advertise, mesh.Addr().String())
	server, err := aggregator.New(c.Aggregator, aggregator.Deps{Log: p.Log, Identity: source, Coord: etcd, Spool: spool, Telemetry: p.Telemetry, Version: p.Version})
	if err != nil {
		return errors.Join(err, mesh.Close(), session.Close())
	}
	p.Check(server.Check)
	p.Expires(source.NotAfter)
	return p.Serve(ctx, server.Ready(), map[string]string{"listen": mesh.Addr().String(), "session_listen": session.Addr().String()},
		func(ctx context.Context) error { return server.Run(ctx, mesh, session) })
}
