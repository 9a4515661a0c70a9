package identity

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Role is what somebody is in the system: the first part of a SPIFFE path.
type Role string

// The closed set of roles.
const (
	Access     Role = "access"
	Scheduler  Role = "scheduler"
	Aggregator Role = "aggregator"
	Host       Role = "host"
	User       Role = "user"
	Issuer     Role = "issuer"
	Operator   Role = "operator"
	Etcd       Role = "etcd"
)

// Roles lists the closed set.
func Roles() []Role {
	return []Role{Access, Scheduler, Aggregator, Host, User, Issuer, Operator, Etcd}
}

// serves reports whether processes of this role accept connections; only then
// is its certificate good for a server.
func (r Role) serves() bool { return r != Host && r != User && r != Operator }

const (
	maxHostName = 128
	maxName     = 64
)

// ErrBadID says that something is not an identity of this system.
var ErrBadID = errors.New("bad identity")

// ID is who somebody is, such as spiffe://demo.ccs/host/web1.bj01.
type ID struct {
	Domain string // trust domain, as in DNS, lower case
	Role   Role
	Name   string // 1..64 of [a-z0-9._-], of a host 1..128
}

// NewID checks the parts of an id. The error wraps ErrBadID.
func NewID(domain string, role Role, name string) (ID, error) {
	id := ID{domain, role, name}
	return id, id.Validate()
}

// Validate says what is wrong with an id; the error wraps ErrBadID.
func (id ID) Validate() error {
	limit := maxName
	if id.Role == Host {
		limit = maxHostName
	}
	if td, err := spiffeid.TrustDomainFromString(id.Domain); err != nil || td.Name() != id.Domain {
		return fmt.Errorf("%w: trust domain %q must be like demo.ccs", ErrBadID, id.Domain)
	}
	if !slices.Contains(Roles(), id.Role) {
		return fmt.Errorf("%w: role %q is none of %v", ErrBadID, id.Role, Roles())
	}
	if len(id.Name) > limit || strings.Trim(id.Name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || spiffeid.ValidatePathSegment(id.Name) != nil {
		return fmt.Errorf("%w: name %.140q of a %s must be 1 to %d of a-z 0-9 . _ -", ErrBadID, id.Name, id.Role, limit)
	}
	return nil
}

// ParseID reads a SPIFFE id of this system. The error wraps ErrBadID.
func ParseID(text string) (ID, error) {
	s, err := spiffeid.FromString(text)
	if err != nil {
		return ID{}, fmt.Errorf("%w: %.300q: %w", ErrBadID, text, err)
	}
	role, name, _ := strings.Cut(strings.TrimPrefix(s.Path(), "/"), "/")
	return NewID(s.TrustDomain().Name(), Role(role), name)
}

// String is the SPIFFE id.
func (id ID) String() string { return "spiffe://" + id.Domain + "/" + string(id.Role) + "/" + id.Name }

// url is the id as a certificate carries it. The id has been validated, so that
// nothing in it needs escaping.
func (id ID) url() *url.URL {
	return &url.URL{Scheme: "spiffe", Host: id.Domain, Path: "/" + string(id.Role) + "/" + id.Name}
}
