package client_test

import (
	"context"
	"log"
	"sync"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/internal/fakehost"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/wire"
)

// demo is the cluster that the examples run against: all of CCS in this process,
// in real time, with two replicas of access on loopback. Four hosts: h1 (app=web)
// and h2 (app=api) in room bj01, h3 (app=db) and h4 (app=web) in room sh01. The
// first example opens it, TestMain closes it.
var demo demonstration

type demonstration struct {
	once    sync.Once
	cluster *cctest.Cluster
}

func (d *demonstration) open() *cctest.Cluster {
	d.once.Do(func() {
		d.cluster = cctest.Open(context.Background(), cctest.Shape{})
		for _, name := range d.cluster.Hosts() {
			d.cluster.Host(name).Plays(func(o wire.StartOrder) fakehost.Act { return play(name, o) })
		}
	})
	return d.cluster
}

func (d *demonstration) close() {
	if d.cluster != nil {
		d.cluster.Close()
	}
}

// play is what programs do on the hosts: hostname prints the host's name, diskcheck
// finds something on h3 alone, and the rest is the shell's.
func play(host string, o wire.StartOrder) fakehost.Act {
	argv := o.Spec.Run.Argv
	switch {
	case len(argv) > 0 && argv[0] == "hostname":
		return fakehost.Act{Stdout: []byte(host + "\n")}
	case len(argv) > 0 && argv[0] == "diskcheck" && host == "h3":
		return fakehost.Act{Code: 1, Stderr: []byte("sda: 3 bad blocks\n")}
	case len(argv) > 0 && argv[0] == "diskcheck":
		return fakehost.Act{Stdout: []byte("all disks are well\n")}
	default:
		return fakehost.Shell(o)
	}
}

// connect makes a client for the demo, as ExampleNew does.
func connect() *client.Client {
	c, err := client.New(demo.open().UserConfig())
	if err != nil {
		log.Fatal(err)
	}
	return c
}
