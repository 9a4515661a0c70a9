package capsule

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"golang.org/x/crypto/cryptobyte"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// ResultType is the payload type in the encoding that a host signs.
const ResultType = "application/vnd.ccs.result.v1"

// ResultTailType is that of a result with an output that is kept also after its
// cut. All others are signed as before: who knows no tails can verify them.
const ResultTailType = "application/vnd.ccs.result.v2"

// Versions in the encoding of a result.
const (
	resultVersion     = 1
	resultTailVersion = 2
)

const maxHostID = 128

// Result is what a host signs of one task when it has an outcome. Its signature
// covers nanoseconds: who stores a result must keep them.
type Result struct {
	JobID       job.ID
	Host        fleet.HostID
	Incarnation fleet.Incarnation
	Report      task.Report     // attempt, state, reason, exit code, signal
	Started     time.Time       // of the user's process, by the host's clock; zero: it did not
	Ended       time.Time       // likewise
	Outputs     []job.OutputRef // ascending by stream
}

// SignResult is the host's signature over an outcome. The error wraps
// ErrMalformed: what is not a host's outcome is not signed.
func SignResult(r Result, key ed25519.PrivateKey) ([]byte, error) {
	pae, err := r.signed()
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	return ed25519.Sign(key, pae), nil
}

// VerifyResult reports whether the host with this key signed this outcome. The
// error wraps ErrMalformed or ErrSignature.
func VerifyResult(r Result, signature []byte, key ed25519.PublicKey) error {
	pae, err := r.signed()
	if err != nil {
		return err
	}
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, pae, signature) {
		return fmt.Errorf("%w: host %s did not sign this result", ErrSignature, r.Host)
	}
	return nil
}

func (r Result) signed() ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	kind, number := ResultType, uint8(resultVersion)
	tails := slices.ContainsFunc(r.Outputs, func(o job.OutputRef) bool { return o.Tail > 0 })
	if tails {
		kind, number = ResultTailType, resultTailVersion
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 256))
	b.AddUint8(number)
	b.AddBytes(r.JobID[:])
	add8(b, string(r.Host))
	b.AddBytes(r.Incarnation[:])
	b.AddUint32(r.Report.Attempt)
	b.AddUint16(uint16(r.Report.State))
	b.AddUint16(uint16(r.Report.Exit.Reason))
	b.AddUint8(uint8(r.Report.Exit.Code))   //nolint:gosec // 0..255: validated
	b.AddUint8(uint8(r.Report.Exit.Signal)) //nolint:gosec // 0..64: validated
	b.AddUint64(fromTime(r.Started))
	b.AddUint64(fromTime(r.Ended))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, o := range r.Outputs {
			marshalOutput(b, o)
			if tails {
				b.AddUint64(o.Tail)
			}
		}
	})
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w result: %w", ErrMalformed, err)
	}
	return dsse.PAE(kind, out), nil
}

func marshalOutput(b *cryptobyte.Builder, o job.OutputRef) {
	b.AddUint8(uint8(o.Stream))
	if o.Size == 0 { // so that it does not matter how a tier writes "nothing"
		add8(b, "")
	} else {
		add8(b, o.Digest[:])
	}
	b.AddUint64(o.Size)
	b.AddUint64(o.Cut)
}

func (r Result) validate() error {
	var f faults
	if !r.JobID.Valid() {
		f.addf("job id is not a UUIDv7")
	}
	f.name("host id", string(r.Host), 1, maxHostID)
	if r.Incarnation.IsZero() {
		f.addf("incarnation is zero")
	}
	if s := r.Report.State; !s.Final() || s == task.Skipped {
		f.addf("state %d is not an outcome that a host may give", s)
	}
	if r.Report.Attempt == 0 {
		f.addf("attempt is zero")
	}
	if c := r.Report.Exit.Code; c < 0 || c > 255 {
		f.addf("exit code %d is not 0 to 255", c)
	}
	if s := r.Report.Exit.Signal; s < 0 || s > 64 {
		f.addf("signal %d is not 0 to 64", s)
	}
	for _, t := range []time.Time{r.Started, r.Ended} {
		if !t.IsZero() && !representable(t) {
			f.addf("a time is not between 1970 and 2262")
		}
	}
	last := job.Stream(0)
	for _, o := range r.Outputs {
		if o.Stream <= last || o.Stream > job.Stderr {
			f.addf("output of stream %d after %d: streams are 1 and 2, ascending", o.Stream, last)
		}
		last = o.Stream
		if o.Tail > o.Size || o.Tail > 0 && o.Cut == 0 {
			f.addf("output of stream %d: %d of %d bytes come after a cut of %d", o.Stream, o.Tail, o.Size, o.Cut)
		}
	}
	if len(f) > 0 {
		return fmt.Errorf("%w result: %w", ErrMalformed, errors.Join(f...))
	}
	return nil
}
