package etcdserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Config says how the member runs.
type Config struct {
	// Dir is where it keeps its data; started again on the same one, it goes on.
	Dir string
	// Listen is host:port for clients; port 0 takes a free one. Default 127.0.0.1:0.
	Listen string
	// Cert, Key and CA are files for mutual TLS; all or none. Every client with a
	// certificate of this CA may do everything: give etcd a CA of its own.
	Cert, Key, CA string
	// NoSync leaves out fsync: faster, and gone after a power loss.
	NoSync bool
}

// Server is a running member.
type Server struct {
	etcd     *embed.Etcd
	endpoint string
	close    func()
}

// Start runs a member and returns when it serves.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	settings, err := cfg.settings()
	if err != nil {
		return nil, fmt.Errorf("cannot start etcd: %w", err)
	}
	etcd, err := embed.StartEtcd(settings)
	if err != nil {
		return nil, fmt.Errorf("cannot start etcd in %s: %w", cfg.Dir, err)
	}
	s := &Server{etcd: etcd, close: sync.OnceFunc(etcd.Close)}
	select {
	case <-etcd.Server.ReadyNotify():
	case err = <-etcd.Err():
	case <-etcd.Server.StopNotify():
		err = errors.New("it stopped before it served")
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("cannot start etcd in %s: %w", cfg.Dir, err)
	}
	s.endpoint = etcd.Clients[0].Addr().String()
	return s, nil
}

// Endpoint returns host:port for clients.
func (s *Server) Endpoint() string { return s.endpoint }

// Close stops the member and waits for it. It may be called twice.
func (s *Server) Close() { s.close() }

func (cfg Config) settings() (*embed.Config, error) {
	listen := cfg.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return nil, fmt.Errorf("listen %q: must be host:port: %w", listen, err)
	}
	if (cfg.Cert == "") != (cfg.Key == "") || (cfg.Cert == "") != (cfg.CA == "") {
		return nil, errors.New("certificate, key and CA must be given all or none")
	}
	s := embed.NewConfig()
	s.Name = "ccs"
	s.Dir = cfg.Dir
	s.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	s.UnsafeNoFsync = cfg.NoSync
	scheme := "http"
	if cfg.Cert != "" {
		scheme = "https"
		s.ClientTLSInfo = transport.TLSInfo{CertFile: cfg.Cert, KeyFile: cfg.Key, TrustedCAFile: cfg.CA, ClientCertAuth: true}
		s.PeerTLSInfo = s.ClientTLSInfo
	}
	clients := url.URL{Scheme: scheme, Host: listen}
	peers := url.URL{Scheme: scheme, Host: "127.0.0.1:0"} // a single member; nobody dials it
	s.ListenClientUrls, s.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	s.ListenPeerUrls, s.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	s.InitialCluster = s.InitialClusterFromName(s.Name)
	return s, nil
}
