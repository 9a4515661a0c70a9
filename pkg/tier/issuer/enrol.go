package issuer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// EnrolHost signs a host's certificate after its row is written. Room and
// labels are those of the token. The same host with the same key again gets the
// same answer but for the certificate's serial number and dates. A name that is
// taken by another key is refused, whatever the token says, until an operator
// has revoked that key: the owner of the host table decides that.
func (s *Server) EnrolHost(ctx context.Context, req *enrolv1.EnrolHostRequest) (*enrolv1.EnrolHostResponse, error) {
	key, err := s.check(req.GetCsr())
	if err != nil {
		return nil, s.refuse(ctx, identity.Host, req.GetHostId(), err)
	}
	host, err := rowOf(ctx, req, key)
	if err != nil {
		return nil, s.refuse(ctx, identity.Host, req.GetHostId(), err)
	}
	grant, err := s.deps.Book.Redeem(req.GetJoinToken(), identity.Host, string(host.ID), key, time.Now())
	if err != nil {
		return nil, s.refuse(ctx, identity.Host, req.GetHostId(), err)
	}
	host.Room, host.Labels = fleet.Room(grant.Room), grant.Labels
	if err := fleet.ValidateHost(host); err != nil {
		return nil, s.refuse(ctx, identity.Host, req.GetHostId(), fmt.Errorf("%w: the host cannot be enrolled: %w", wire.ErrInvalid, err))
	}
	cert, err := s.sign(identity.Host, string(host.ID), key, s.cfg.HostTTL)
	if err != nil {
		return nil, s.refuse(ctx, identity.Host, req.GetHostId(), err)
	}
	if err := s.hosts.register(ctx, host, s.cfg.RegisterWait); err != nil {
		return nil, s.refuse(ctx, identity.Host, req.GetHostId(), named(host.ID, err))
	}
	s.enrolments.count(ctx, identity.Host, nil)
	s.deps.Log.InfoContext(ctx, "host enrolled", "host", host.ID, "room", host.Room, "address", host.Address)
	return &enrolv1.EnrolHostResponse{CertificatePem: cert, CaPem: s.deps.CA.PEM(), Room: string(host.Room)}, nil
}

// EnrolUser signs a user's certificate. The token must name the user: with a
// pattern one user could take the name of another.
func (s *Server) EnrolUser(ctx context.Context, req *enrolv1.EnrolUserRequest) (*enrolv1.EnrolUserResponse, error) {
	key, err := s.check(req.GetCsr())
	if err != nil {
		return nil, s.refuse(ctx, identity.User, req.GetUser(), err)
	}
	if _, err := identity.NewID(s.deps.CA.Domain(), identity.User, req.GetUser()); err != nil {
		return nil, s.refuse(ctx, identity.User, req.GetUser(), fmt.Errorf("%w: user: %w", wire.ErrInvalid, err))
	}
	grant, err := s.deps.Book.Redeem(req.GetJoinToken(), identity.User, req.GetUser(), key, time.Now())
	if err == nil && grant.Name != req.GetUser() {
		err = fmt.Errorf("%w: it is for names like %s, and a user's token must name the user; ask an operator for one that does", identity.ErrBadToken, grant.Name)
	}
	if err != nil {
		return nil, s.refuse(ctx, identity.User, req.GetUser(), err)
	}
	cert, err := s.sign(identity.User, req.GetUser(), key, s.cfg.UserTTL)
	if err != nil {
		return nil, s.refuse(ctx, identity.User, req.GetUser(), err)
	}
	s.enrolments.count(ctx, identity.User, nil)
	s.deps.Log.InfoContext(ctx, "user enrolled", "user", req.GetUser())
	return &enrolv1.EnrolUserResponse{CertificatePem: cert, CaPem: s.deps.CA.PEM()}, nil
}

// check is the key of a request that its holder has signed.
func (s *Server) check(csr []byte) (ed25519.PublicKey, error) {
	key, err := identity.CSRKey(csr)
	if err != nil {
		return nil, fmt.Errorf("%w: csr: %w", wire.ErrInvalid, err)
	}
	return key, nil
}

// rowOf is the host as far as it may speak for itself.
func rowOf(ctx context.Context, req *enrolv1.EnrolHostRequest, key ed25519.PublicKey) (fleet.Host, error) {
	id, err := fleet.ParseHostID(req.GetHostId())
	if err != nil {
		return fleet.Host{}, fmt.Errorf("%w: host_id %.80q: %w", wire.ErrInvalid, req.GetHostId(), err)
	}
	incarnation, err := wire.Incarnation(req.GetIncarnation())
	if err != nil {
		return fleet.Host{}, err
	}
	address := req.GetAddress()
	if address == "" {
		address = callerIP(ctx)
	}
	return fleet.Host{
		ID: id, Address: address, Incarnation: incarnation,
		PublicKey: [32]byte(key), KeyState: fleet.KeyAccepted,
	}, nil
}

// callerIP is the address that the caller dialled from; empty if it is none of IP.
func callerIP(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	ip, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return ""
	}
	return ip
}

func (s *Server) sign(role identity.Role, name string, key ed25519.PublicKey, ttl time.Duration) ([]byte, error) {
	id, err := identity.NewID(s.deps.CA.Domain(), role, name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrInvalid, err)
	}
	return s.deps.CA.Issue(identity.Request{ID: id, Key: key, TTL: ttl}, time.Now())
}

// named says which host the owner of the host table would not write. Its code
// and its words stay.
func named(id fleet.HostID, err error) error {
	st, ok := status.FromError(err)
	if !ok || st.Code() == codes.Unavailable {
		return err
	}
	return status.Errorf(st.Code(), "cannot enrol host %s: %s", id, st.Message())
}

// refuse logs and counts why there is no certificate, and is the answer to the
// caller.
func (s *Server) refuse(ctx context.Context, role identity.Role, name string, err error) error {
	s.deps.Log.WarnContext(ctx, "enrolment refused", "role", role, "name", fmt.Sprintf("%.140q", name), "error", err)
	answer := wire.StatusError(err)
	if errors.Is(err, identity.ErrBadToken) {
		answer = status.Error(codes.PermissionDenied, err.Error())
	}
	s.enrolments.count(ctx, role, answer)
	return answer
}
