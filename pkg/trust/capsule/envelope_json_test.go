package capsule_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

func TestAnEnvelopeComesBackFromItsTextForm(t *testing.T) {
	e := signed(t, backup(), 1, 2)
	b, err := e.JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := capsule.ParseEnvelope(b)
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("%+v %v", got, err)
	}
	for _, field := range []string{`"payloadType":`, `"payload":`, `"signatures":`, `"keyid":`, `"sig":`} {
		if !strings.Contains(string(b), field) {
			t.Errorf("has no %s: %s", field, b)
		}
	}
}

func TestOtherTextThanAnEnvelopeIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "{", `{"payload":"*"}`, `{"payload":"","signatures":[{"keyid":"","sig":"*"}]}`, strings.Repeat(" ", 3<<20),
	} {
		if _, err := capsule.ParseEnvelope([]byte(text)); !errors.Is(err, capsule.ErrMalformed) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
