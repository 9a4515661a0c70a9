package identity_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestKeysComeBackFromTheirText(t *testing.T) {
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := identity.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := identity.DecodeKey(text); err != nil || !got.Equal(key) {
		t.Errorf("the private key came back as another: %v", err)
	}
	public := key.Public().(ed25519.PublicKey)
	if text, err = identity.EncodePublicKey(public); err != nil {
		t.Fatal(err)
	}
	if got, err := identity.DecodePublicKey(text); err != nil || !got.Equal(public) {
		t.Errorf("the public key came back as another: %v", err)
	}
}

func TestAKeyThatCannotBeReadIsNotShown(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(ec.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for say, text := range map[string][]byte{
		"no PEM block":         []byte("secret"),
		"not PKCS #8":          block("PRIVATE KEY", []byte("secret")),
		"only Ed25519 is used": block("PRIVATE KEY", private),
	} {
		if _, err := identity.DecodeKey(text); err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "secret") {
			t.Errorf("want %q, got %v", say, err)
		}
	}
	for say, text := range map[string][]byte{
		"no PEM block":         block("PRIVATE KEY", private),
		"asn1":                 block("PUBLIC KEY", []byte("nonsense")),
		"only Ed25519 is used": block("PUBLIC KEY", public),
	} {
		if _, err := identity.DecodePublicKey(text); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("want %q, got %v", say, err)
		}
	}
}
