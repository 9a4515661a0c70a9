package etcdconn

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord/etcd"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Config is the keys below `etcd`. etcd admits every certificate of its CA and
// cannot look at SPIFFE ids, so that it has a CA of its own, which signs for
// the control plane alone.
type Config struct {
	etcd.Config `mapstructure:",squash"`

	TLS identity.Files `mapstructure:"tls"`
}

// DefaultConfig returns the defaults, without endpoints and files.
func DefaultConfig() Config { return Config{Config: etcd.DefaultConfig()} }

// Validate lists every fault.
func (c Config) Validate() error {
	faults := []error{c.Config.Validate()}
	if err := c.TLS.Validate(); err != nil {
		for fault := range strings.Lines(err.Error()) {
			faults = append(faults, fmt.Errorf("etcd.%s", strings.TrimSpace(fault)))
		}
	}
	return errors.Join(faults...)
}

// Open returns a client; Close it after use. etcd need not be there yet.
// Telemetry is told when etcd has lost history, which is an operator's alarm.
func Open(c Config, log *slog.Logger, telemetry obs.Telemetry) (*etcd.Client, error) {
	source, err := identity.NewSource(c.TLS, log)
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate for etcd: %w", err)
	}
	client, err := etcd.New(c.Config, source.ClientTLS(identity.Etcd), log)
	if err != nil {
		return nil, err
	}
	telemetry.Gauge(obs.EtcdWentBack, func(observe func(int64, ...attribute.KeyValue)) {
		if client.WentBack() {
			observe(1)
		} else {
			observe(0)
		}
	})
	return client, nil
}
