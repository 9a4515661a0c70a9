package etcdconn

import (
	"strings"
	"testing"
)

func TestEveryFaultIsNamedWithItsWholeKey(t *testing.T) {
	err := DefaultConfig().Validate()
	if err == nil {
		t.Fatal("a config without endpoints and files has no fault")
	}
	for _, key := range []string{"etcd.endpoints", "etcd.tls.cert", "etcd.tls.key", "etcd.tls.ca"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named in:\n%v", key, err)
		}
	}
}
