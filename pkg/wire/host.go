package wire

import (
	"fmt"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// HostToProto is the wire form of a host's row. It shares labels and facts.
func HostToProto(h fleet.Host) *typesv1.Host {
	return &typesv1.Host{
		Id:          string(h.ID),
		Address:     h.Address,
		Room:        string(h.Room),
		Labels:      h.Labels,
		Facts:       h.Facts,
		Incarnation: h.Incarnation[:],
		PublicKey:   h.PublicKey[:],
		KeyState:    typesv1.KeyState(h.KeyState),
		Revision:    h.Revision,
	}
}

// HostFromProto reads a host's row; fleet.ValidateHost judges it. The error
// wraps ErrMessage.
func HostFromProto(h *typesv1.Host) (fleet.Host, error) {
	inc, err := Incarnation(h.GetIncarnation())
	if err != nil {
		return fleet.Host{}, fmt.Errorf("host %q: %w", h.GetId(), err)
	}
	key, err := Digest(h.GetPublicKey())
	if err != nil {
		return fleet.Host{}, fmt.Errorf("host %q: %w: public key must have 32 bytes", h.GetId(), ErrMessage)
	}
	return fleet.Host{
		ID:          fleet.HostID(h.GetId()),
		Address:     h.GetAddress(),
		Room:        fleet.Room(h.GetRoom()),
		Labels:      h.GetLabels(),
		Facts:       h.GetFacts(),
		Incarnation: inc,
		PublicKey:   key,
		KeyState:    keyStateFromProto(h.GetKeyState()),
		Revision:    h.GetRevision(),
	}, nil
}

// keyStateFromProto makes a state that this version does not know no state,
// which fleet.ValidateHost refuses.
func keyStateFromProto(s typesv1.KeyState) fleet.KeyState {
	if s < 0 || s > typesv1.KeyState(fleet.KeyRevoked) {
		return fleet.KeyUnspecified
	}
	return fleet.KeyState(s)
}
