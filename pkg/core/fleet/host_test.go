package fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// aHost returns a host without fault.
func aHost(id HostID, room Room) Host {
	return Host{
		ID: id, Address: "10.0.0.1", Room: room,
		Incarnation: Incarnation{1}, PublicKey: [32]byte{1}, KeyState: KeyAccepted, Revision: 1,
	}
}

func TestAHostIDIsASafeName(t *testing.T) {
	for _, good := range []string{"a", "0", "web-1.bj01.example.com", strings.Repeat("a", 128), "10.1.2.3"} {
		if id, err := ParseHostID(good); err != nil || string(id) != good {
			t.Errorf("ParseHostID(%q) = %q, %v", good, id, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "-a", "a-", "a.", "A", "a b", "a/b", "a\x00", "ä", strings.Repeat("a", 129)} {
		if _, err := ParseHostID(bad); !errors.Is(err, ErrBadHostID) {
			t.Errorf("ParseHostID(%q): %v, want ErrBadHostID", bad, err)
		}
	}
}

func TestARoomIsASafeName(t *testing.T) {
	if room, err := ParseRoom("bj01"); err != nil || room != "bj01" {
		t.Errorf("ParseRoom(bj01) = %q, %v", room, err)
	}
	for _, bad := range []string{"", "BJ01", "a/b", strings.Repeat("a", 64)} {
		if _, err := ParseRoom(bad); !errors.Is(err, ErrBadRoom) {
			t.Errorf("ParseRoom(%q): %v, want ErrBadRoom", bad, err)
		}
	}
}

func TestAGoodHostHasNoFault(t *testing.T) {
	h := aHost("web-1", "bj01")
	h.Labels = map[string]string{"app": "web", "example.com/tier": "gold_1", "fact": "x"}
	h.Facts = map[string]string{"os": "linux", "release": "Debian GNU/Linux 12 (bookworm)", "empty": "", "name": "主机"}
	for _, address := range []string{"10.0.0.1", "::1", "2001:db8::5"} {
		h.Address = address
		if err := ValidateHost(h); err != nil {
			t.Errorf("address %s: %v", address, err)
		}
	}
	h.ID, h.Address = "10.9.8.7", "10.9.8.7"
	if err := ValidateHost(h); err != nil {
		t.Errorf("a host named by its own address: %v", err)
	}
}

func TestEveryFaultOfAHostIsNamedAtOnce(t *testing.T) {
	h := Host{
		ID: "Web 1", Address: "nowhere", Room: "",
		Labels: map[string]string{"room": "x", "fact.os": "x", "": "x", "a b": "x", "app": "", "tier": "a,b"},
		Facts:  map[string]string{"bad key": "x", "os": "two\nlines", "lost": "\xff", "long": strings.Repeat("x", 257)},
	}
	err := ValidateHost(h)
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{
		`id "Web 1"`, `room ""`, `address "nowhere"`, "incarnation: must be set", "public key: must be set", "key state 0",
		`label "room"`, `label "fact.os"`, `label ""`, `label "a b"`, `label app=""`, `label tier="a,b"`,
		`fact "bad key"`, `fact os="two\nlines"`, `fact lost="\xff"`, "fact long=",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s:\n%v", want, err)
		}
	}
	if faults := strings.Count(err.Error(), "\n") + 1; faults != 16 {
		t.Errorf("%d faults, want 16:\n%v", faults, err)
	}
	if len(err.Error()) > 4000 {
		t.Errorf("the error is %d bytes long", len(err.Error()))
	}
}

func TestAHostMayNotBeNamedByTheAddressOfAnother(t *testing.T) {
	h := aHost("10.0.0.2", "bj01")
	if err := ValidateHost(h); err == nil || !strings.Contains(err.Error(), "not that of the host") {
		t.Errorf("got %v", err)
	}
}

func TestAHostHasBoundedLabelsAndFacts(t *testing.T) {
	h := aHost("a", "r")
	h.Labels, h.Facts = map[string]string{}, map[string]string{}
	for i := range MaxLabels {
		h.Labels[fmt.Sprint(i)], h.Facts[fmt.Sprint(i)] = "x", "x"
	}
	if err := ValidateHost(h); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	h.Labels["more"], h.Facts["more"] = "x", "x"
	err := ValidateHost(h)
	if err == nil || !strings.Contains(err.Error(), "labels: 65") || !strings.Contains(err.Error(), "facts: 65") {
		t.Errorf("past the limit: %v", err)
	}
	if err := ValidateLabels(h.Labels); err == nil {
		t.Error("ValidateLabels takes too many")
	}
	longest := map[string]string{strings.Repeat("k", MaxKey): strings.Repeat("v", MaxLabelValue)}
	if err := ValidateLabels(longest); err != nil {
		t.Errorf("the longest label: %v", err)
	}
	for key, value := range map[string]string{strings.Repeat("k", MaxKey+1): "v", "k": strings.Repeat("v", MaxLabelValue+1)} {
		if err := ValidateLabels(map[string]string{key: value}); err == nil {
			t.Errorf("a key of %d bytes with a value of %d is taken", len(key), len(value))
		}
	}
}

func TestFaultsComeInTheSameOrderEveryTime(t *testing.T) {
	h := aHost("a", "r")
	h.Labels = map[string]string{"x y": "", "b c": "", "a b": "", "k": "", "l": ""}
	first := ValidateHost(h).Error()
	for range 20 {
		if again := ValidateHost(h).Error(); again != first {
			t.Fatalf("once\n%s\nthen\n%s", first, again)
		}
	}
}
