package devcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/internal/etcdserver"
)

// wordEtcd is the hidden argument that makes the binary the cluster's etcd: a
// process of its own, so that it can be killed like any other.
const wordEtcd = "serve-etcd"

// etcdConfig is its config file, with the keys that the tiers have.
type etcdConfig struct {
	Listen    string `yaml:"listen"`
	StateDir  string `yaml:"state_dir"`
	ReadyFile string `yaml:"ready_file"`
	TLS       struct {
		Cert string `yaml:"cert"`
		Key  string `yaml:"key"`
		CA   string `yaml:"ca"`
	} `yaml:"tls"`
}

// serveEtcd runs etcd until SIGTERM.
func serveEtcd(ctx context.Context, path string) error {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT)
	defer stop()
	// A name of its own, so that `killall devcluster` is not its end.
	_ = os.WriteFile("/proc/self/comm", []byte("ccs-etcd"), 0)
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read config: %w", err)
	}
	var c etcdConfig
	if err := yaml.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("cannot read config %s: %w", path, err)
	}
	server, err := etcdserver.Start(ctx, etcdserver.Config{
		Dir: c.StateDir, Listen: c.Listen, Cert: c.TLS.Cert, Key: c.TLS.Key, CA: c.TLS.CA, NoSync: true,
	})
	if err != nil {
		return err
	}
	defer server.Close()
	if err := writeReady(c.ReadyFile, map[string]string{"listen": server.Endpoint()}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// writeReady says that this process serves, as every tier does.
func writeReady(path string, addresses map[string]string) error {
	raw, err := json.Marshal(map[string]any{"pid": os.Getpid(), "addresses": addresses})
	if err == nil {
		err = os.WriteFile(path+".tmp", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write ready file: %w", err)
	}
	return nil
}
