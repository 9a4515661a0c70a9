package export

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Config says where traces go, and which there are.
type Config struct {
	OTLP  OTLP  `mapstructure:"otlp"`
	Trace Trace `mapstructure:"trace"`
}

// OTLP is the collector of traces.
type OTLP struct {
	Endpoint string `mapstructure:"endpoint"` // host:port, OTLP over gRPC; empty: no traces
	CA       string `mapstructure:"ca"`       // PEM file of the collector's CA; empty: those of the system
	Insecure bool   `mapstructure:"insecure"` // without TLS; for a collector on the same machine
}

// Trace says which traces begin here.
type Trace struct {
	// Ratio of the requests without a trace that get one, 0 to 1. A request that
	// comes with a trace goes on with it, whatever this says.
	Ratio float64 `mapstructure:"ratio"`
	// PerSecond bounds the traces that begin here, 1 to 10,000 a second.
	PerSecond int `mapstructure:"per_second"`
}

// maxPerSecond bounds what can be asked for; each trace is dozens of spans.
const maxPerSecond = 10_000

// Validate lists every fault.
func (c Config) Validate() error {
	return errors.Join(c.OTLP.validate(), c.Trace.validate())
}

func (t Trace) validate() error {
	var faults []error
	if !(t.Ratio >= 0 && t.Ratio <= 1) { // so that NaN is a fault
		faults = append(faults, fmt.Errorf("trace.ratio: %v must be from 0 (no trace begins here) to 1 (every request is traced)", t.Ratio))
	}
	if t.PerSecond < 1 || t.PerSecond > maxPerSecond {
		faults = append(faults, fmt.Errorf("trace.per_second: %d must be from 1 to %d; set trace.ratio to 0 if no trace is to begin here", t.PerSecond, maxPerSecond))
	}
	return errors.Join(faults...)
}

func (o OTLP) validate() error {
	var faults []error
	switch {
	case o.Endpoint == "" && (o.CA != "" || o.Insecure):
		faults = append(faults, errors.New("otlp.endpoint is not set, but otlp.ca or otlp.insecure is: give host:port of the collector, such as 127.0.0.1:4317, or take them out"))
	case o.Endpoint != "" && !isAddress(o.Endpoint):
		faults = append(faults, fmt.Errorf("otlp.endpoint: %q must be host:port of the collector's gRPC port, such as 127.0.0.1:4317", o.Endpoint))
	}
	if o.CA != "" && o.Insecure {
		faults = append(faults, errors.New("otlp.ca and otlp.insecure are both set: without TLS there is no CA; take one out"))
	}
	return errors.Join(faults...)
}

func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// credentials are those to dial the collector with.
func (o OTLP) credentials() (credentials.TransportCredentials, error) {
	if o.Insecure {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12} // a collector is not ours
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("cannot read otlp.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("cannot read otlp.ca: %s holds no certificate in PEM", o.CA)
		}
	}
	return credentials.NewTLS(config), nil
}
