package issuer_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/tier/issuer"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

func certificate(tb testing.TB, text []byte) *x509.Certificate {
	tb.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		tb.Fatal("no certificate came")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	must(tb, err)
	return cert
}

func TestAHostWithATokenGetsItsCertificateAndItsRow(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		m := newMachine(t, "h1")
		resp, err := r.enrol(m, "h*")
		must(t, err)
		cert := certificate(t, resp.GetCertificatePem())
		if cert.URIs[0].String() != "spiffe://demo.ccs/host/h1" || !publicKey(m).Equal(cert.PublicKey) {
			t.Errorf("the certificate is of %v with key %x", cert.URIs, cert.PublicKey)
		}
		if resp.GetRoom() != "bj01" || string(resp.GetCaPem()) != string(r.ca.PEM()) {
			t.Errorf("room %q, CA %q", resp.GetRoom(), resp.GetCaPem())
		}
		if got := describe(r.rows.all()["h1"]); got != "h1 bj01 10.0.0.7 map[app:web] 0123456789abcdef 1" {
			t.Errorf("the row is %s", got)
		}
	}, room("bj01", "h*", 0))
}

func TestTheSameHostAsksAgainAndGetsTheSameAnswer(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		m := newMachine(t, "h1")
		first, err := r.enrol(m, "h*")
		must(t, err)
		again, err := r.enrol(m, "h*")
		must(t, err)
		a, b := certificate(t, first.GetCertificatePem()), certificate(t, again.GetCertificatePem())
		if a.URIs[0].String() != b.URIs[0].String() || string(a.RawSubjectPublicKeyInfo) != string(b.RawSubjectPublicKeyInfo) || first.GetRoom() != again.GetRoom() {
			t.Error("the second answer is another")
		}
		_, err = r.enrol(newMachine(t, "h2"), "h*")
		wantRefusal(t, err, codes.PermissionDenied, "all of its 1 uses are made")
		if n := len(r.rows.all()); n != 1 {
			t.Errorf("%d hosts have a row", n)
		}
	}, room("bj01", "h*", 1))
}

func TestATakenNameIsNotGivenToAnotherKey(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		honest := newMachine(t, "h1")
		_, err := r.enrol(honest, "h1")
		must(t, err)
		for _, pattern := range []string{"*", "h1"} {
			resp, err := r.enrol(newMachine(t, "h1"), pattern)
			wantRefusal(t, err, codes.PermissionDenied, "cannot enrol host h1: not allowed: it is registered with another key")
			if len(resp.GetCertificatePem()) > 0 {
				t.Error("a certificate came with the refusal")
			}
		}
		if key := r.rows.all()["h1"].PublicKey; !publicKey(honest).Equal(ed25519.PublicKey(key[:])) {
			t.Error("the row has another key now")
		}
	}, room("bj01", "*", 0), room("bj01", "h1", 0))
}

func TestAnEnrolmentWaitsWhileTheHostTableMoves(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		stop := r.scheduler("s1", "s1", elsewhere{})
		r.owns("s1")
		done := make(chan error, 1)
		go func() {
			_, err := r.enrol(newMachine(t, "h1"), "h1")
			done <- err
		}()
		wait(3 * time.Second)
		stop()
		defer r.scheduler("s2", "s2", r.rows)()
		wait(time.Second)
		r.owns("s2")
		must(t, <-done)
		if _, there := r.rows.all()["h1"]; !there {
			t.Error("no row was written")
		}
	}, room("bj01", "h1", 0))
}

func TestWithoutAnOwnerOfTheHostTableTheHostIsToldToTryAgain(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		began := time.Now()
		_, err := r.enrol(newMachine(t, "h1"), "h1")
		wantRefusal(t, err, codes.Unavailable, "no scheduler owns the host table")
		if wire.RetryDelay(err) != time.Second || time.Since(began) != issuer.DefaultConfig().RegisterWait {
			t.Errorf("retry after %s, asked for %s", wire.RetryDelay(err), time.Since(began))
		}
	}, room("bj01", "h1", 0))
}

func TestARowIsNotWrittenByWhoOnlyClaimsToBeTheOwner(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s9", r.rows)() // the certificate is of s9
		r.owns("s1")
		_, err := r.enrol(newMachine(t, "h1"), "h1")
		wantRefusal(t, err, codes.Unavailable, "cannot be reached")
		if len(r.rows.all()) != 0 {
			t.Error("a row was written")
		}
	}, room("bj01", "h1", 0))
}

func TestTheOwnerThatIsKnownHoldsOnWhileEtcdIsAway(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		_, err := r.enrol(newMachine(t, "h1"), "*")
		must(t, err)
		r.hub.Away()
		_, err = r.enrol(newMachine(t, "h2"), "*")
		must(t, err)
		r.hub.Back()
	}, room("bj01", "*", 0))
}

func TestABadRequestIsRefusedAndWritesNothing(t *testing.T) {
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ecCSR, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, ecKey)
	must(t, err)
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		for _, c := range []struct {
			name   string
			change func(*enrolv1.EnrolHostRequest)
			code   codes.Code
			says   string
		}{
			{"no request", func(q *enrolv1.EnrolHostRequest) { q.Csr = nil }, codes.InvalidArgument, "csr"},
			{"another kind of key", func(q *enrolv1.EnrolHostRequest) { q.Csr = ecCSR }, codes.InvalidArgument, "make an Ed25519 key"},
			{"a request that was tampered with", func(q *enrolv1.EnrolHostRequest) { q.GetCsr()[len(q.GetCsr())-1] ^= 1 }, codes.InvalidArgument, "not signed by its own key"},
			{"a bad name", func(q *enrolv1.EnrolHostRequest) { q.HostId = "../h1" }, codes.InvalidArgument, "host_id"},
			{"a short incarnation", func(q *enrolv1.EnrolHostRequest) { q.Incarnation = []byte("short") }, codes.InvalidArgument, "incarnation has 5 bytes"},
			{"no incarnation", func(q *enrolv1.EnrolHostRequest) { q.Incarnation = make([]byte, 16) }, codes.InvalidArgument, "incarnation: must be set"},
			{"no IP address", func(q *enrolv1.EnrolHostRequest) { q.Address = "somewhere" }, codes.InvalidArgument, "not an IP address"},
			{"no token", func(q *enrolv1.EnrolHostRequest) { q.JoinToken = "" }, codes.PermissionDenied, "join token refused"},
			{"a wrong token", func(q *enrolv1.EnrolHostRequest) { q.JoinToken = "ccsjoin_guess" }, codes.PermissionDenied, "join token refused"},
			{"a token of another name", func(q *enrolv1.EnrolHostRequest) { q.HostId = "h2" }, codes.PermissionDenied, "it is for names like h1"},
			{"a user's token", func(q *enrolv1.EnrolHostRequest) { q.JoinToken = r.tokens["ann"] }, codes.PermissionDenied, "it is for a user"},
		} {
			req := newMachine(t, "h1").request(t, r.tokens["h1"])
			c.change(req)
			resp, err := r.api.EnrolHost(t.Context(), req)
			if resp != nil {
				t.Errorf("%s: got an answer", c.name)
			}
			t.Log(c.name)
			wantRefusal(t, err, c.code, c.says)
		}
		if len(r.rows.all()) != 0 || r.rows.calls != 0 {
			t.Errorf("%d rows were written in %d calls", len(r.rows.all()), r.rows.calls)
		}
	}, room("bj01", "h1", 0), user("ann"))
}

func TestATokenThatHasExpiredIsRefused(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		wait(25 * time.Hour)
		_, err := r.enrol(newMachine(t, "h1"), "h1")
		wantRefusal(t, err, codes.PermissionDenied, "it expired at")
	}, room("bj01", "h1", 0))
}

func TestAUserGetsACertificateForTheNameThatTheTokenNames(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		m := newMachine(t, "")
		csr, err := identity.NewCSR(m.key)
		must(t, err)
		resp, err := r.api.EnrolUser(t.Context(), &enrolv1.EnrolUserRequest{JoinToken: r.tokens["ann"], Csr: csr, User: "ann"})
		must(t, err)
		cert := certificate(t, resp.GetCertificatePem())
		if cert.URIs[0].String() != "spiffe://demo.ccs/user/ann" || cert.NotAfter.After(time.Now().Add(24*time.Hour)) {
			t.Errorf("it is of %v until %s", cert.URIs, cert.NotAfter)
		}
		for _, c := range []struct {
			token, user string
			code        codes.Code
			says        string
		}{
			{"ann", "bob", codes.PermissionDenied, "it is for names like ann"},
			{"*", "ann", codes.PermissionDenied, "a user's token must name the user"},
			{"h1", "h1", codes.PermissionDenied, "it is for a host"},
			{"ann", "Ann!", codes.InvalidArgument, "name"},
		} {
			_, err := r.api.EnrolUser(t.Context(), &enrolv1.EnrolUserRequest{JoinToken: r.tokens[c.token], Csr: csr, User: c.user})
			wantRefusal(t, err, c.code, c.says)
		}
		_, err = r.api.EnrolUser(t.Context(), &enrolv1.EnrolUserRequest{JoinToken: r.tokens["ann"], Csr: []byte("x"), User: "ann"})
		wantRefusal(t, err, codes.InvalidArgument, "csr")
	}, user("ann"), user("*"), room("bj01", "h1", 0))
}

func TestTheConfigurationListsEveryFault(t *testing.T) {
	must(t, issuer.DefaultConfig().Validate())
	err := issuer.Config{}.Validate()
	for _, key := range []string{"host_ttl", "user_ttl", "register_wait", "drain_budget"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
	if _, err := issuer.New(issuer.Config{}, issuer.Deps{}); err == nil {
		t.Error("an issuer was made with a bad configuration")
	}
}

func TestAHostWithoutAnAddressIsKnownByTheOneItDialsFrom(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		req := newMachine(t, "h1").request(t, r.tokens["h1"])
		req.Address = ""
		_, err := r.api.EnrolHost(t.Context(), req) // in memory there is none
		wantRefusal(t, err, codes.InvalidArgument, "address")
	}, room("bj01", "h1", 0))
}

func publicKey(m machine) ed25519.PublicKey {
	key, _ := m.key.Public().(ed25519.PublicKey)
	return key
}

func TestARequestThatIsTooLargeIsRefusedAndUsesNoToken(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		m := newMachine(t, "h1")
		large := m.request(t, r.tokens["h1"])
		large.Csr = make([]byte, 64<<10)
		_, err := r.api.EnrolHost(t.Context(), large)
		wantRefusal(t, err, codes.ResourceExhausted, "larger than max")
		if _, err := r.api.EnrolHost(t.Context(), m.request(t, r.tokens["h1"])); err != nil {
			t.Errorf("with the one use of its token: %v", err)
		}
	}, room("bj01", "h1", 1))
}
