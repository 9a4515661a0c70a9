package ports

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

const (
	yes = "yes"
	no  = "-"
	// answerBudget bounds one dial. A port that neither answers nor hangs up
	// is a fault of its own.
	answerBudget = 10 * time.Second
)

// shown is a column: certificates that must all be answered alike.
type shown struct {
	name  string
	certs map[string]*tls.Certificate // by what it is; nil: none is shown
}

// certificates makes the columns: with the key of the cluster's own CA, which
// nobody but its owner has.
func certificates(t *testing.T, c *rig.Cluster) []shown {
	t.Helper()
	now := time.Now()
	own, err := identity.LoadCA(c.PKI("ca.crt"), c.PKI("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	foreignCA, err := identity.NewCA(devcluster.Domain, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	var columns []shown
	foreign := shown{"foreign", map[string]*tls.Certificate{}}
	expired := shown{"expired", map[string]*tls.Certificate{}}
	for _, role := range identity.Roles() {
		columns = append(columns, shown{string(role), map[string]*tls.Certificate{string(role): issue(t, own, role, now)}})
		foreign.certs[string(role)] = issue(t, foreignCA, role, now)
		expired.certs[string(role)] = issue(t, own, role, now.Add(-24*time.Hour))
	}
	etcds := shown{"etcd's", map[string]*tls.Certificate{}}
	for _, name := range []string{"operator", "scheduler-standard-1", "etcd"} {
		f := c.EtcdFiles(name)
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			t.Fatal(err)
		}
		etcds.certs[name] = &cert
	}
	return append(columns, foreign, expired, etcds, shown{"none", map[string]*tls.Certificate{"none": nil}})
}

// issue makes a certificate that is good for an hour from a time on.
func issue(t *testing.T, ca *identity.CA, role identity.Role, from time.Time) *tls.Certificate {
	t.Helper()
	cred, err := ca.IssueWithKey(identity.Request{
		ID: identity.ID{Domain: devcluster.Domain, Role: role, Name: "h1"}, TTL: time.Hour,
		IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, DNS: []string{"localhost"},
	}, from)
	if err != nil {
		t.Fatal(err)
	}
	dir := rig.Dir(t)
	f := identity.Files{Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k"), CA: filepath.Join(dir, "ca")}
	if err := cred.Save(f); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}

// dial shows each certificate of the column to the port.
func (s shown) dial(t *testing.T, l devcluster.Listener) string {
	t.Helper()
	var answers []string
	for _, what := range slices.Sorted(maps.Keys(s.certs)) {
		in, err := letIn(l.Address, s.certs[what])
		if err != nil {
			t.Errorf("%s of %s shown %s %s: %v", l.Key, l.Process, s.name, what, err)
		}
		answers = append(answers, map[bool]string{true: yes, false: no}[in])
	}
	if all := slices.Compact(answers); len(all) == 1 {
		return all[0]
	}
	t.Errorf("%s of %s does not answer the certificates of column %q alike: %v", l.Key, l.Process, s.name, answers)
	return "?"
}

// letIn opens a connection as a gRPC client does. In TLS 1.3 a client has
// finished its handshake before the server has looked at its certificate, so
// only what the server says next tells: its HTTP/2 settings, or an alert.
func letIn(address string, cert *tls.Certificate) (bool, error) {
	raw, err := net.DialTimeout("tcp", address, answerBudget)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(answerBudget)); err != nil {
		return false, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if cert == nil {
				return &tls.Certificate{}, nil
			}
			return cert, nil // even where the server says that it takes none of this CA
		},
	})
	if err := conn.Handshake(); err != nil {
		return false, refusal(err)
	}
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" // and empty settings
	if _, err := io.WriteString(conn, preface); err != nil {
		return false, refusal(err)
	}
	frame := make([]byte, 9)
	if _, err := io.ReadFull(conn, frame); err != nil {
		return false, refusal(err)
	}
	if frame[3] != 4 {
		return false, fmt.Errorf("its first frame is of type %d, not settings", frame[3])
	}
	return true, nil
}

// refusal tells a server that says no from one that says nothing.
func refusal(err error) error {
	var alert tls.AlertError
	var remote *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer within %v", answerBudget)
	case errors.As(err, &alert), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	case errors.As(err, &remote) && (remote.Op == "remote error" || strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "broken pipe")):
		return nil
	}
	return err
}
