package client_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// issue writes the files of an identity.
func issue(tb testing.TB, ca *identity.CA, role identity.Role, name string) identity.Files {
	tb.Helper()
	cred, err := ca.IssueWithKey(identity.Request{ID: identity.ID{Domain: ca.Domain(), Role: role, Name: name}, TTL: time.Hour}, time.Now())
	must(tb, err)
	dir := tb.TempDir()
	files := identity.Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	must(tb, cred.Save(files))
	return files
}

func newCA(tb testing.TB) *identity.CA {
	tb.Helper()
	ca, err := identity.NewCA("demo.ccs", time.Hour, time.Now())
	must(tb, err)
	return ca
}

// serve starts a replica on a port of its own.
func serve(t *testing.T, files identity.Files) (address string) {
	t.Helper()
	source, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	must(t, err)
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(source.ServerTLS(identity.User))))
	accessv1.RegisterAccessServiceServer(server, &access{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(lis) })
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return lis.Addr().String()
}

func config(files identity.Files, addresses ...string) client.Config {
	return client.Config{Addresses: addresses, CertFile: files.Cert, KeyFile: files.Key, CAFile: files.CA, SigningKey: files.Key}
}

func TestOneReplicaThatServesIsEnough(t *testing.T) {
	ca := newCA(t)
	lives := serve(t, issue(t, ca, identity.Access, "a1"))
	c, err := client.New(config(issue(t, ca, identity.User, "ann"), "127.0.0.1:1", lives, "127.0.0.1:2"))
	must(t, err)
	defer func() { must(t, c.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	j, err := c.Job(ctx, "j1")
	must(t, err)
	if j.ID != "j1" {
		t.Errorf("got %v", j)
	}
}

func TestAServerThatIsNotAccessIsNotTalkedTo(t *testing.T) {
	ca := newCA(t)
	for name, files := range map[string]identity.Files{
		"a scheduler": issue(t, ca, identity.Scheduler, "s1"), "access of another CA": issue(t, newCA(t), identity.Access, "a1"),
	} {
		c, err := client.New(config(issue(t, ca, identity.User, "ann"), serve(t, files)))
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := c.Job(ctx, "j1"); err == nil {
			t.Errorf("%s was talked to", name)
		}
		cancel()
		must(t, c.Close())
	}
}

func TestTheConfigurationListsEveryFault(t *testing.T) {
	_, err := client.New(client.Config{})
	wantError(t, err, client.Invalid, "addresses is empty")
	for _, key := range []string{"tls.cert", "tls.key", "tls.ca", "signing_key"} {
		wantError(t, err, client.Invalid, key+" is not set")
	}
}

func TestFilesThatCannotBeUsedAreNamed(t *testing.T) {
	good := issue(t, newCA(t), identity.User, "ann")
	for says, change := range map[string]func(*client.Config){
		"cannot read the signing key": func(c *client.Config) { c.SigningKey = "/nowhere/key" },
		"no PEM block PRIVATE KEY":    func(c *client.Config) { c.SigningKey = c.CertFile },
		"/nowhere/cert":               func(c *client.Config) { c.CertFile = "/nowhere/cert" },
		"no certificate of a CA":      func(c *client.Config) { c.CAFile = c.KeyFile },
	} {
		c := config(good, "127.0.0.1:1")
		change(&c)
		_, err := client.New(c)
		wantError(t, err, client.Invalid, says)
		key, readErr := os.ReadFile(good.Key)
		must(t, readErr)
		if secret := strings.Split(string(key), "\n")[1]; strings.Contains(err.Error(), secret) {
			t.Error("the error shows the key")
		}
	}
}
