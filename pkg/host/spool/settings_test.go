package spool

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// settled is a specification with every setting.
func settled() Spec {
	umask := uint32(0o27)
	return Spec{
		ID: "c", RememberUntil: time.Unix(9, 0).UTC(), Accepted: time.Unix(1, 0).UTC(), Context: []byte{},
		Run: Run{
			Argv: []string{"true"}, Keep: 1, Timeout: time.Minute, Grace: time.Second,
			Limits: Limits{MemoryBytes: 64 << 20, CPUMillis: 500, PIDs: 20, OpenFiles: 128},
			Umask:  &umask, Rlimits: []task.Rlimit{{Resource: task.ResourceCore}, {Resource: task.ResourceStack, Value: task.Unlimited}},
			OOMScoreAdj: 300, LeaveDescendants: true,
		},
	}
}

func TestSettingsCanBeReadByAPerson(t *testing.T) {
	want := `limit_memory="67108864"
limit_cpu_millis="500"
limit_pids="20"
limit_open_files="128"
oom_score_adj="300"
umask="027"
rlimit="core 0"
rlimit="stack 18446744073709551615"
leave_descendants="yes"
sum="`
	if got := string(settled().encode()); !strings.Contains(got, want) {
		t.Errorf("it reads:\n%s", got)
	}
}

func TestARecordOfAProgramBeforeSettingsIsReadAndWrittenAsEver(t *testing.T) {
	old := newRecord("head").text("command", "c").when("accepted", time.Unix(1, 0)).when("remember_until", time.Unix(9, 0)).encode()
	run := newRecord("spec").text("command", "c").text("argv", "true").text("output_limit", "1").text("timeout", "1m0s").text("grace", "1s").encode()
	file := append(append(append([]byte(nil), old...), run...), old...)
	want := settled()
	want.Run = Run{Argv: []string{"true"}, Keep: 1, Timeout: time.Minute, Grace: time.Second}
	got, err := decodeSpec(file)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("it was read as %+v, %v", got, err)
	}
	if string(got.encode()) != string(file) {
		t.Errorf("it is written as\n%s", got.encode())
	}
	if !got.Run.Plain() || settled().Run.Plain() {
		t.Error("it is not known which of the two has settings")
	}
}

func TestSettingsThatNobodyWritesAreDamage(t *testing.T) {
	for _, line := range [][2]string{
		{"limit_memory", "0"},
		{"limit_memory", "-1"},
		{"limit_memory", "18446744073709551616"},
		{"limit_pids", "4294967296"},
		{"limit_cpu_millis", "x"},
		{"oom_score_adj", "65536"},
		{"umask", "9"},
		{"rlimit", "core"},
		{"rlimit", "nofile 3"},
		{"rlimit", "core 1 2"},
		{"leave_descendants", "no"},
	} {
		head := newRecord("head").text("command", "c").encode()
		run := newRecord("spec").text("command", "c").text("argv", "true").text("output_limit", "1").text("timeout", "0s").text("grace", "0s")
		file := append(append(append([]byte(nil), head...), run.text(line[0], line[1]).encode()...), head...)
		if _, err := decodeSpec(file); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s=%q: %v", line[0], line[1], err)
		}
	}
}

func TestEveryFaultOfTheSettingsIsNamed(t *testing.T) {
	bad := settled()
	*bad.Run.Umask, bad.Run.OOMScoreAdj = 0o1000, 1001
	bad.Run.Rlimits[1].Resource = task.ResourceCore
	err := bad.Check()
	for _, want := range []string{"umask is over 0777", "oom_score_adj is over 1000", "rlimit core is given twice"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
	if err := settled().Check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// FuzzSettings fuzzes what lies between the heads of a specification, under a sum
// that is right.
func FuzzSettings(f *testing.F) {
	spec := settled()
	whole := parts(spec.encode())
	head, run := whole[0], whole[1]
	f.Add(run[:bytes.LastIndex(run, []byte("sum="))])
	f.Add([]byte("record=\"spec/1\"\ncommand=\"c\"\noutput_limit=\"1\"\ntimeout=\"0s\"\ngrace=\"0s\"\numask=\"0\"\nrlimit=\"as 1\"\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		spec, err := decodeSpec(slices.Concat(head, appendLine(slices.Clone(body), "sum", checksum(body)), head))
		if err != nil {
			return
		}
		// Lines that were edited by hand may say the same in other words; what is
		// written of them must mean the same.
		again, err := decodeSpec(spec.encode())
		if err != nil || !reflect.DeepEqual(again, spec) {
			t.Errorf("%+v was read, and then %+v, %v", spec, again, err)
		}
	})
}
