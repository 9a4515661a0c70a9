package identity_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestAChangeOfTheFilesThatIsCutOffLosesNoIdentity(t *testing.T) {
	ca := newCA(t, domain)
	for steps := range identity.SaveSteps() + 1 {
		files := issue(t, ca, identity.Aggregator, "a1")
		next := credential(t, ca, identity.Aggregator, "a1")
		if err := next.SaveCutOff(files, steps); err != nil {
			t.Fatal(err)
		}
		client := newSource(t, ca, identity.Host, "h1").ClientTLS(identity.Aggregator)
		for range 2 { // the second start finds what the first has finished
			var log journal
			s := source(t, files, &log) // a restart
			got := served(t, s.ServerTLS(identity.Host), client)
			isNext := bytes.Equal(got, leaf(t, next.CertPEM))
			if steps >= 3 && !isNext || steps == 0 && isNext {
				t.Errorf("cut off after %d steps: the new certificate is served: %v", steps, isNext)
			}
			if log.String() != "" {
				t.Errorf("cut off after %d steps: %s", steps, log.String())
			}
		}
		left, err := filepath.Glob(files.Key + ".*")
		if err != nil || len(left) > 0 {
			t.Errorf("cut off after %d steps: %v is left, %v", steps, left, err)
		}
		text, err := os.ReadFile(files.Key)
		if key, bad := identity.DecodeKey(text); err != nil || bad != nil || key == nil {
			t.Errorf("%v, %v", err, bad)
		}
	}
}

func TestARunningProcessTakesAChangeThatWasCutOff(t *testing.T) {
	ca := newCA(t, domain)
	files := issue(t, ca, identity.Aggregator, "a1")
	var log journal
	s := source(t, files, &log)
	client := newSource(t, ca, identity.Host, "h1").ClientTLS(identity.Aggregator)
	next := credential(t, ca, identity.Aggregator, "a1")
	if err := next.SaveCutOff(files, 3); err != nil { // the key is new, the certificate old
		t.Fatal(err)
	}
	if !bytes.Equal(served(t, s.ServerTLS(identity.Host), client), leaf(t, next.CertPEM)) {
		t.Error("the new certificate is not served")
	}
	if strings.Contains(log.String(), "cannot be used") || strings.Contains(log.String(), "PRIVATE") {
		t.Errorf("log: %s", log.String())
	}
}

func TestFilesThatWereReplacedByHandCountMoreThanAnOldChange(t *testing.T) {
	ca := newCA(t, domain)
	files, byHand := issue(t, ca, identity.Aggregator, "a1"), issue(t, ca, identity.Aggregator, "a1")
	if err := credential(t, ca, identity.Aggregator, "a1").SaveCutOff(files, 3); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{byHand.Cert: files.Cert, byHand.Key: files.Key, byHand.CA: files.CA} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, string(text))
	}
	client := newSource(t, ca, identity.Host, "h1").ClientTLS(identity.Aggregator)
	want := served(t, source(t, byHand, &journal{}).ServerTLS(identity.Host), client)
	if !bytes.Equal(want, served(t, source(t, files, &journal{}).ServerTLS(identity.Host), client)) {
		t.Error("the old change was taken")
	}
}

func TestAChangeThatIsNonsenseIsLeftAlone(t *testing.T) {
	ca := newCA(t, domain)
	files := issue(t, ca, identity.Aggregator, "a1")
	write(t, files.Key+".next", "{")
	write(t, files.Cert, "nonsense")
	if _, err := identity.NewSource(files, (&journal{}).logger()); err == nil || !strings.Contains(err.Error(), "cert") {
		t.Errorf("%v, want what is wrong with the certificate", err)
	}
}

// leaf is the first certificate of a chain.
func leaf(t *testing.T, chain []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(chain)
	if block == nil {
		t.Fatal("no certificate")
	}
	return block.Bytes
}
