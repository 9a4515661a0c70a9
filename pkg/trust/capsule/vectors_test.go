package capsule_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/vectors anew instead of comparing")

// vector writes v, or compares it with the committed file.
func vector(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "vectors", name)
	if *rewrite {
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s is not what the code makes now; a change of signed bytes needs a new version.\ngot %s", file, b.Bytes())
	}
}

type capsuleVector struct {
	Payload    payloadInput `json:"payload"`
	PayloadHex string       `json:"payload_hex"`
	Type       string       `json:"payload_type"`
	PAEDigest  string       `json:"pae_sha256_hex"`
	signatureVector
}

type signatureVector struct {
	Seed      string `json:"key_seed_hex"`
	PublicKey string `json:"public_key_hex"`
	KeyID     string `json:"key_id"`
	Signature string `json:"signature_hex"`
}

// payloadInput shows a payload so that a program in any language can build it.
type payloadInput struct {
	JobID, Account, Class, Selector, RootHex string
	Count, NotBefore, NotAfter, RerunUntil   uint64 // nanoseconds since 1970
	Parent, TokenHex                         string
	Kind                                     uint8
	Argv, Interpreter, Env                   []string
	ScriptHex, Cwd, StdinHex, RunAs          string
	OutputBytes, MemoryBytes                 uint64
	CPUMillis, PIDs, OpenFiles               uint32
	Timeout, Grace                           int64 // nanoseconds
	TimeoutAction, Recovery                  uint8
	MaxAttempts                              uint16

	// Of version 2; a payload without them is of version 1.
	Umask            *uint32       `json:",omitempty"`
	Rlimits          []rlimitInput `json:",omitempty"`
	OOMScoreAdj      uint16        `json:",omitempty"`
	LeaveDescendants bool          `json:",omitempty"`
}

type rlimitInput struct {
	Resource uint8
	Value    uint64
}

func inputOf(p capsule.Payload) payloadInput {
	c := p.Command
	in := payloadInput{
		JobID: p.JobID.String(), Account: p.Account, Class: p.Class, Selector: p.Selector, RootHex: hex.EncodeToString(p.Root[:]),
		Count: p.Count, NotBefore: uint64(p.NotBefore.UnixNano()), NotAfter: uint64(p.NotAfter.UnixNano()),
		TokenHex: hex.EncodeToString(p.Token), Kind: uint8(c.Kind), Argv: c.Argv, Interpreter: c.Interpreter, Env: c.Env,
		ScriptHex: hex.EncodeToString(c.Script), Cwd: c.Cwd, StdinHex: hex.EncodeToString(c.Stdin), RunAs: c.RunAs,
		OutputBytes: c.Limits.OutputBytes, MemoryBytes: c.Limits.MemoryBytes,
		CPUMillis: c.Limits.CPUMillis, PIDs: c.Limits.PIDs, OpenFiles: c.Limits.OpenFiles,
		Timeout: int64(c.Timeout), Grace: int64(c.Grace),
		TimeoutAction: uint8(c.TimeoutAction), Recovery: uint8(c.Recovery), MaxAttempts: c.MaxAttempts,
		Umask: c.Umask, OOMScoreAdj: c.OOMScoreAdj, LeaveDescendants: c.LeaveDescendants,
	}
	for _, l := range c.Rlimits {
		in.Rlimits = append(in.Rlimits, rlimitInput{uint8(l.Resource), l.Value})
	}
	if !p.RerunUntil.IsZero() {
		in.RerunUntil = uint64(p.RerunUntil.UnixNano())
	}
	if !p.Parent.IsZero() {
		in.Parent = p.Parent.String()
	}
	return in
}

func signatureOf(n byte, sig []byte) signatureVector {
	return signatureVector{
		Seed: hex.EncodeToString(key(n).Seed()), PublicKey: hex.EncodeToString(public(n)),
		KeyID: capsule.KeyID(public(n)), Signature: hex.EncodeToString(sig),
	}
}

func TestCapsulesAreByteForByteAsDocumented(t *testing.T) {
	for name, p := range map[string]capsule.Payload{"ping": ping(), "argv": uptime(), "script": backup(), "settings": careful()} {
		t.Run(name, func(t *testing.T) {
			e := signed(t, p, 1)
			digest := e.Digest()
			v := capsuleVector{
				Payload: inputOf(p), PayloadHex: hex.EncodeToString(e.Payload), Type: e.PayloadType,
				PAEDigest: hex.EncodeToString(digest[:]), signatureVector: signatureOf(1, e.Signatures[0].Sig),
			}
			vector(t, "capsule-"+name+".json", v)
			got, err := capsule.Verify(e, users{"ann": 1})
			if err != nil || !reflect.DeepEqual(got.Payload, p) {
				t.Errorf("does not verify: %v", err)
			}
		})
	}
}

type malformedVector struct {
	Fault      string `json:"fault"`
	PayloadHex string `json:"payload_hex"`
	Error      string `json:"error"`
}

func TestFaultyPayloadsAreRefusedAsDocumented(t *testing.T) {
	argv, err := uptime().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int, b ...byte) []byte { return append(append(bytes.Clone(argv[:i]), b...), argv[i+len(b):]...) }
	parent := len("v") + 16 + len("_ops_standard__room=bj01") + 32 + 4*8 // where its length is
	var out []malformedVector
	for _, v := range []struct {
		fault string
		b     []byte
	}{
		{"empty", nil},
		{"version 3", at(0, 3)},
		{"version 2 without extensions", at(0, 2)},
		{"version 2 with an empty list of extensions", append(at(0, 2), 0, 0)},
		{"an extension of a type that nobody has", append(at(0, 2), 0, 4, 0, 9, 0, 0)},
		{"an extension twice", append(at(0, 2), 0, 8, 0, 4, 0, 0, 0, 4, 0, 0)},
		{"an umask of one byte", append(at(0, 2), 0, 5, 0, 1, 0, 1, 0o77)},
		{"an umask with a byte left over", append(at(0, 2), 0, 7, 0, 1, 0, 3, 0, 0o77, 0)},
		{"no rlimit in their extension", append(at(0, 2), 0, 4, 0, 2, 0, 0)},
		{"an oom-score-adj of 0", append(at(0, 2), 0, 6, 0, 3, 0, 2, 0, 0)},
		{"version 1 with extensions", append(at(0, 1), 0, 4, 0, 4, 0, 0)},
		{"a byte after the end", append(bytes.Clone(argv), 0)},
		{"the last byte is missing", argv[:len(argv)-1]},
		{"job id of UUID version 4", at(7, 0x4b)},
		{"a parent of 15 bytes", append(append(bytes.Clone(argv[:parent]), append([]byte{15}, make([]byte, 15)...)...), argv[parent+1:]...)},
		{"a parent of 16 zero bytes", append(append(bytes.Clone(argv[:parent]), append([]byte{16}, make([]byte, 16)...)...), argv[parent+1:]...)},
		{"not-before past 2262", at(parent-24, 0x80)},
		{"rerun-until without recovery rerun", at(parent-1, 1)},
		{"kind 4", at(parent+3, 4)},
		{"timeout action 3", at(len(argv)-12, 3)},
		{"recovery 0", at(len(argv)-3, 0)},
		{"max attempts 0", at(len(argv)-1, 0)},
		{"argv with bytes left over in its vector", at(parent+6, argv[parent+6]+1)},
	} {
		_, err := capsule.Parse(v.b)
		if !errors.Is(err, capsule.ErrMalformed) {
			t.Fatalf("%s: %v", v.fault, err)
		}
		out = append(out, malformedVector{v.fault, hex.EncodeToString(v.b), err.Error()})
	}
	vector(t, "malformed.json", out)
}

type targetsVector struct {
	Leaves     []leafVector  `json:"leaves"`
	Roots      []string      `json:"root_hex_by_size"`
	Ranges     []proofVector `json:"range_proofs"`
	Inclusions []proofVector `json:"inclusion_proofs"`
}

type leafVector struct {
	Host        string `json:"host_id"`
	Incarnation string `json:"incarnation_hex"`
	Hash        string `json:"leaf_hash_hex"`
}

type proofVector struct {
	First  uint64   `json:"first"`
	Count  uint64   `json:"count"`
	Size   uint64   `json:"tree_size"`
	Hashes []string `json:"hashes_hex"`
}

func TestTargetProofsAreByteForByteAsDocumented(t *testing.T) {
	var v targetsVector
	var hashes []capsule.Hash
	for i := range 7 {
		host, inc := fleet.HostID(fmt.Sprintf("h%d.bj01", i+1)), fleet.Incarnation{15: byte(i + 1)}
		h := capsule.LeafHash(host, inc)
		hashes = append(hashes, h)
		v.Leaves = append(v.Leaves, leafVector{string(host), hex.EncodeToString(inc[:]), hex.EncodeToString(h[:])})
	}
	for n := range len(hashes) + 1 {
		root := capsule.Root(hashes[:n])
		v.Roots = append(v.Roots, hex.EncodeToString(root[:]))
	}
	tree, err := capsule.NewTree(hashes)
	if err != nil {
		t.Fatal(err)
	}
	for first := range uint64(7) {
		for count := uint64(1); count <= 7-first; count++ {
			p, err := tree.Range(first, count)
			if err != nil {
				t.Fatal(err)
			}
			v.Ranges = append(v.Ranges, proofVector{first, count, p.Size, hexes(p.Hashes)})
		}
		p, err := tree.Inclusion(first)
		if err != nil {
			t.Fatal(err)
		}
		v.Inclusions = append(v.Inclusions, proofVector{first, 1, p.Size, hexes(p.Hashes)})
	}
	vector(t, "targets.json", v)
}

func hexes(hashes []capsule.Hash) []string {
	out := make([]string, 0, len(hashes))
	for _, h := range hashes {
		out = append(out, hex.EncodeToString(h[:]))
	}
	return out
}

type resultVector struct {
	JobID, Host, IncarnationHex string
	Attempt                     uint32
	State, Reason               uint16
	ExitCode, Signal            int32
	Started, Ended              uint64 // nanoseconds since 1970; 0: none
	Outputs                     []outputVector
	Type                        string `json:"payload_type"`
	signatureVector
}

type outputVector struct {
	Stream    uint8
	DigestHex string
	Size, Cut uint64
	Tail      uint64 `json:",omitempty"` // only in results of v2
}

func TestResultSignaturesAreByteForByteAsDocumented(t *testing.T) {
	refused := failed()
	refused.Report = task.Report{Attempt: 1, State: task.Refused, Exit: task.Exit{Reason: task.NotTarget}}
	refused.Started, refused.Ended, refused.Outputs = time.Time{}, time.Time{}, nil
	tail := failed()
	tail.Outputs = slices.Clone(tail.Outputs)
	tail.Outputs[0].Size, tail.Outputs[0].Cut, tail.Outputs[0].Tail = 1_000_001, 5_000_000, 500_000
	for name, r := range map[string]capsule.Result{"failed": failed(), "refused": refused, "tail": tail} {
		sig, err := capsule.SignResult(r, key(2))
		if err != nil {
			t.Fatal(err)
		}
		if len(sig) != ed25519.SignatureSize {
			t.Errorf("a signature of %d bytes", len(sig))
		}
		v := resultVector{
			JobID: r.JobID.String(), Host: string(r.Host), IncarnationHex: hex.EncodeToString(r.Incarnation[:]),
			Attempt: r.Report.Attempt, State: uint16(r.Report.State), Reason: uint16(r.Report.Exit.Reason),
			ExitCode: r.Report.Exit.Code, Signal: r.Report.Exit.Signal,
			Type: capsule.ResultType, signatureVector: signatureOf(2, sig),
		}
		if name == "tail" {
			v.Type = capsule.ResultTailType
		}
		if !r.Started.IsZero() {
			v.Started, v.Ended = uint64(r.Started.UnixNano()), uint64(r.Ended.UnixNano())
		}
		for _, o := range r.Outputs {
			v.Outputs = append(v.Outputs, outputVector{uint8(o.Stream), hex.EncodeToString(o.Digest[:]), o.Size, o.Cut, o.Tail})
		}
		vector(t, "result-"+name+".json", v)
	}
}
