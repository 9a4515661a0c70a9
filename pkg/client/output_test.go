package client_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/ccs-project/ccs/pkg/client"
)

func refTo(content string) client.OutputRef {
	sum := sha256.Sum256([]byte(content))
	return client.OutputRef{Digest: hex.EncodeToString(sum[:]), Size: uint64(len(content))}
}

// sends lets the servers send an output in these pieces.
func (r *rig) sends(pieces ...string) {
	r.access.output = nil
	for _, p := range pieces {
		r.access.output = append(r.access.output, []byte(p))
	}
}

func TestAnOutputIsByteExactAcrossALostConnection(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.sends("one\x00", "two\xff", "three")
		r.access.answers["GetOutput"] = []error{nil, unavailable()}
		var got bytes.Buffer
		must(t, r.Output(t.Context(), "j", refTo("one\x00two\xffthree"), &got))
		if got.String() != "one\x00two\xffthree" {
			t.Errorf("got %q", got.String())
		}
	})
}

func TestAnOutputThatIsNotWhatItsNameSaysIsCorrupt(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for name, pieces := range map[string][]string{
			"another":            {"fals"},
			"changed at the end": {"tr", "uE"},
			"cut off":            {"tr"},
			"nothing":            {},
			"more than there is": {"tr", "ue", "tail"},
			"much more":          slices.Repeat([]string{"true"}, 1000),
		} {
			r.sends(pieces...)
			var got bytes.Buffer
			t.Log(name)
			wantError(t, r.Output(t.Context(), "j", refTo("true"), &got), client.Corrupt, "do not use it")
			if got.Len() > len("true") {
				t.Errorf("%d bytes were passed on where %d were expected", got.Len(), len("true"))
			}
		}
	})
}

func TestAReplicaThatGoesOnWithSomethingElseIsFoundOut(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.sends("tr", "ue")
		r.access.answers["GetOutput"] = []error{unavailable()}
		r.access.betweenOutputs = func() { r.sends("tr", "UE") }
		wantError(t, r.Output(t.Context(), "j", refTo("true"), &bytes.Buffer{}), client.Corrupt, "do not use it")
	})
}

func TestAnOutputMayBeSlowAndTheConnectionLostOften(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.sends(strings.Split("0123456789", "")...)
		for pieces := range 9 { // the next try always comes one piece further
			script := append(slices.Repeat([]error{nil}, pieces), unavailable())
			r.access.answers["GetOutput"] = append(r.access.answers["GetOutput"], script...)
		}
		r.access.betweenOutputs = func() { wait(2 * time.Second) }
		var got bytes.Buffer
		must(t, r.Output(t.Context(), "j", refTo("0123456789"), &got))
		if got.String() != "0123456789" {
			t.Errorf("got %q", got.String())
		}
	})
}

func TestAnOutputOfNothingAsksNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		must(r.t, r.Output(r.t.Context(), "j", client.OutputRef{}, nil))
		if r.access.called("GetOutput") != 0 {
			r.t.Error("the servers were asked")
		}
	})
}

func TestAnOutputThatCannotBeHadSaysWhy(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		wantError(t, r.Output(t.Context(), "j", client.OutputRef{Digest: "abc"}, &bytes.Buffer{}), client.Invalid, "64 hex digits")
		r.sends("x")
		r.refuses("GetOutput", codes.NotFound, "job j has no such output")
		wantError(t, r.Output(t.Context(), "j", refTo("true"), &bytes.Buffer{}), client.NotFound, "no such output")
	})
}

func TestAnErrorOfTheWriterComesBackAsItIs(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.sends("true")
		if err := r.Output(t.Context(), "j", refTo("true"), full{}); !errors.Is(err, errFull) {
			t.Errorf("the writer's error became %v", err)
		}
	})
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
