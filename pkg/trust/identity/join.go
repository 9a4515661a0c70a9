package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// ErrBadToken says that a join token does not allow this enrolment. To strangers
// nothing more is said.
var ErrBadToken = errors.New("join token refused")

// tokenPrefix lets people and secret scanners know a join token by its look.
const tokenPrefix = "ccsjoin_"

// MaxUses is the greatest limit of uses; a token for more has none.
const MaxUses = 1000

// Grant is what one join token allows. The token itself is 256 random bits, and
// the issuer keeps only its SHA-256: who reads the issuer's files cannot join,
// and so many bits need no salt and no slow hash.
type Grant struct {
	TokenSHA256 string            `json:"token_sha256"` // hex
	Kind        Role              `json:"kind"`         // host or user
	Room        string            `json:"room"`         // of hosts
	Labels      map[string]string `json:"labels"`       // of hosts, the operator's
	Name        string            `json:"name"`         // pattern of path.Match, such as web*.bj01; * is any name
	Expires     time.Time         `json:"expires"`
	Uses        int               `json:"uses"` // 0: without limit; else 1..MaxUses
}

// NewToken makes a join token and the hash to list in its grant. The token is a
// secret to hand out once.
func NewToken() (token, sha256Hex string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	return token, TokenHash(token)
}

// TokenHash is the hash by which a grant names its token.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Validate lists every fault of a grant, each naming its key.
func (g Grant) Validate() error {
	var faults []error
	if raw, err := hex.DecodeString(g.TokenSHA256); err != nil || len(raw) != sha256.Size || strings.ToLower(g.TokenSHA256) != g.TokenSHA256 {
		faults = append(faults, errors.New("token_sha256 must be 64 lower-case hex digits"))
	}
	switch g.Kind { //nolint:exhaustive // no token is for any other
	case Host:
		if g.Room == "" {
			faults = append(faults, errors.New("room is not set: a host belongs to one"))
		}
	case User:
		if g.Room != "" || len(g.Labels) > 0 {
			faults = append(faults, errors.New("room and labels are for hosts: leave them out for a user"))
		}
	default:
		faults = append(faults, fmt.Errorf("kind is %q: it must be host or user", g.Kind))
	}
	if _, err := path.Match(g.Name, ""); err != nil || g.Name == "" {
		faults = append(faults, fmt.Errorf("name is %q: it must be a pattern such as web*.bj01, or * for any name", g.Name))
	}
	if g.Expires.IsZero() {
		faults = append(faults, errors.New("expires is not set: give the time after which the token is void"))
	}
	if g.Uses < 0 || g.Uses > MaxUses {
		faults = append(faults, fmt.Errorf("uses is %d: it must be 0 (without limit) to %d", g.Uses, MaxUses))
	}
	return errors.Join(faults...)
}

// allows says why the grant does not allow an enrolment; limits of uses apart.
func (g Grant) allows(kind Role, name string, now time.Time) error {
	switch ok, err := path.Match(g.Name, name); {
	case g.Kind != kind:
		return fmt.Errorf("%w: it is for a %s, not for a %s", ErrBadToken, g.Kind, kind)
	case err != nil || !ok:
		return fmt.Errorf("%w: it is for names like %s, not for %s", ErrBadToken, g.Name, name)
	case now.After(g.Expires):
		return fmt.Errorf("%w: it expired at %s; ask an operator for another", ErrBadToken, g.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// find compares the token with every grant, in a time that does not say which
// one came close.
func find(grants []Grant, token string) (Grant, bool) {
	hash := []byte(TokenHash(token))
	found := -1
	for i := range grants {
		if subtle.ConstantTimeCompare(hash, []byte(grants[i].TokenSHA256)) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Grant{}, false
	}
	return grants[found], true
}
