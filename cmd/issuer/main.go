// Command ccs-issuer enrols hosts and users: it holds the key of the CA, takes
// join tokens, and signs certificates.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/ccs-project/ccs/cmd/internal/etcdconn"
	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/tier/issuer"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

type config struct {
	Domain     string          `mapstructure:"domain"` // trust domain
	Listen     string          `mapstructure:"listen"` // for hosts and users that enrol
	TLS        identity.Files  `mapstructure:"tls"`
	Etcd       etcdconn.Config `mapstructure:"etcd"`
	CACert     string          `mapstructure:"ca_cert"`     // certificate of the CA that signs, PEM
	CAKey      string          `mapstructure:"ca_key"`      // its private key, PEM
	TokensFile string          `mapstructure:"tokens_file"` // grants of join tokens, JSON; read again when it changes
	UsesFile   string          `mapstructure:"uses_file"`   // uses of limited tokens, written here; empty: tokens_file with .uses
	Issuer     issuer.Config   `mapstructure:",squash"`
}

// Validate lists every fault.
func (c config) Validate() error {
	faults := []error{c.TLS.Validate(), c.Etcd.Validate(), c.Issuer.Validate()}
	for _, k := range []struct{ key, value, do string }{
		{"domain", c.Domain, "give the trust domain, such as demo.ccs"},
		{"listen", c.Listen, "give host:port, such as :7430"},
		{"ca_cert", c.CACert, "give the PEM file of the CA's certificate"},
		{"ca_key", c.CAKey, "give the PEM file of the CA's private key"},
		{"tokens_file", c.TokensFile, "give the JSON file of the grants of join tokens"},
	} {
		if k.value == "" {
			faults = append(faults, fmt.Errorf("%s is not set: %s", k.key, k.do))
		}
	}
	return errors.Join(faults...)
}

func main() {
	os.Exit(setup.Run(context.Background(), setup.Program[config]{
		Name:          "issuer",
		Short:         "ccs-issuer enrols hosts and users of CCS: it signs their certificates.",
		Default:       config{Listen: ":7430", Etcd: etcdconn.DefaultConfig(), Issuer: issuer.DefaultConfig()},
		MetricsListen: ":7530",
		TraceRatio:    1,
		Run:           serve,
	}))
}

func serve(ctx context.Context, p setup.Process, c config) (err error) {
	source, err := identity.NewSource(c.TLS, p.Log)
	if err != nil {
		return err
	}
	ca, err := identity.LoadCA(c.CACert, c.CAKey)
	if err != nil {
		return err
	}
	if ca.Domain() != c.Domain || source.ID().Domain != c.Domain {
		return fmt.Errorf("cannot serve: domain is %s, but the CA is that of %s and the certificate is of %s", c.Domain, ca.Domain(), source.ID())
	}
	book, err := identity.OpenBook(c.TokensFile, cmp.Or(c.UsesFile, c.TokensFile+".uses"), p.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	etcd, err := etcdconn.Open(c.Etcd, p.Log, p.Telemetry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, etcd.Close()) }()
	server, err := issuer.New(c.Issuer, issuer.Deps{Log: p.Log, Identity: source, Coord: etcd, Telemetry: p.Telemetry, CA: ca, Book: book})
	if err != nil {
		return err
	}
	p.Check(server.Check)
	p.Expires(source.NotAfter)
	return listen(ctx, p, c.Listen, server)
}

func listen(ctx context.Context, p setup.Process, address string, server *issuer.Server) error {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	return p.Serve(ctx, server.Ready(), map[string]string{"listen": lis.Addr().String()},
		func(ctx context.Context) error { return server.Run(ctx, lis) })
}
