package fleet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// KeyState is the state of a host's key. The values are those of the wire enum
// ccs.types.v1.KeyState.
type KeyState uint8

// The closed set of key states.
const (
	KeyUnspecified KeyState = 0
	KeyAccepted    KeyState = 1 // enrolled and accepted
	KeyPending     KeyState = 2 // waiting for an operator
	KeyRevoked     KeyState = 3 // cut off
)

// Host is a row of the host table. Labels and Facts are shared between hosts
// and must not be changed.
type Host struct {
	ID          HostID
	Address     string            // IP address that it was enrolled with or last seen at; hosts may share one
	Room        Room              //
	Labels      map[string]string // the operator's, from enrolment
	Facts       map[string]string // the agent's, without the prefix "fact."
	Incarnation Incarnation       //
	PublicKey   [32]byte          // Ed25519; signs its results
	KeyState    KeyState          //
	Revision    uint64            // of the row; grows with every durable change
}

// Limits of a host's labels and facts.
const (
	MaxLabels     = 64  // labels, and as many facts
	MaxKey        = 63  // bytes of a key
	MaxLabelValue = 128 // bytes
	MaxFactValue  = 256 // bytes
)

// FactPrefix begins the key of a fact in a selector.
const FactPrefix = "fact."

// ValidateHost returns every fault of h, joined; nil if it has none.
func ValidateHost(h Host) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if _, err := ParseHostID(string(h.ID)); err != nil {
		fault("id %q: %w", clip(string(h.ID)), err)
	}
	if _, err := ParseRoom(string(h.Room)); err != nil {
		fault("room %q: %w", clip(string(h.Room)), err)
	}
	address, ok := parseAddr(h.Address)
	if !ok {
		fault("address %q: not an IP address such as 10.1.2.3", clip(h.Address))
	}
	if named, isAddr := parseAddr(string(h.ID)); isAddr && named != address {
		fault("id %q: is an IP address, but not that of the host", h.ID)
	}
	if h.Incarnation.IsZero() {
		fault("incarnation: must be set")
	}
	if h.PublicKey == [32]byte{} {
		fault("public key: must be set")
	}
	if h.KeyState < KeyAccepted || h.KeyState > KeyRevoked {
		fault("key state %d: must be 1 (accepted), 2 (pending) or 3 (revoked)", h.KeyState)
	}
	faults = append(faults, labelFaults(h.Labels)...)
	faults = append(faults, factFaults(h.Facts)...)
	return errors.Join(faults...)
}

// ValidateLabels returns every fault of the operator's labels, joined. A label
// has a value that a selector can name.
func ValidateLabels(labels map[string]string) error { return errors.Join(labelFaults(labels)...) }

func labelFaults(labels map[string]string) []error {
	var faults []error
	if len(labels) > MaxLabels {
		faults = append(faults, fmt.Errorf("labels: %d given, at most %d", len(labels), MaxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		switch value := labels[key]; {
		case !isKey(key):
			faults = append(faults, fmt.Errorf("label %q: the key must be 1..%d of letters, digits, '.', '_', '/' and '-', beginning with a letter or digit", clip(key), MaxKey))
		case isBuiltIn(key) || strings.HasPrefix(key, FactPrefix):
			faults = append(faults, fmt.Errorf("label %q: the name is taken by a built-in key; choose another", key))
		case value == "" || len(value) > MaxLabelValue || !isWord(value):
			faults = append(faults, fmt.Errorf("label %s=%q: the value must be 1..%d of letters, digits and %s", key, clip(value), MaxLabelValue, wordMarks))
		}
	}
	return faults
}

func factFaults(facts map[string]string) []error {
	var faults []error
	if len(facts) > MaxLabels {
		faults = append(faults, fmt.Errorf("facts: %d given, at most %d", len(facts), MaxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		switch value := facts[key]; {
		case !isKey(key):
			faults = append(faults, fmt.Errorf("fact %q: the key must be 1..%d of letters, digits, '.', '_', '/' and '-', beginning with a letter or digit", clip(key), MaxKey))
		case len(value) > MaxFactValue || !isLine(value):
			faults = append(faults, fmt.Errorf("fact %s=%q: the value must be one line of UTF-8 text, at most %d bytes", key, clip(value), MaxFactValue))
		}
	}
	return faults
}

// isLine reports whether text is UTF-8 without control characters. The
// replacement character is refused as well: it shows that bytes were lost.
func isLine(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) < 0
}

// clip keeps an error short when the value at fault is not.
func clip(text string) string {
	if len(text) <= 80 {
		return text
	}
	return text[:77] + "..."
}
