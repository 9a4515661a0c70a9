package wire

import (
	"maps"
	"math"
	"slices"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/link"
)

// Contract versions that this build speaks: neighbours one version apart work
// together.
var (
	SessionVersions = link.VersionRange{Min: 1, Max: 3}
	MeshVersions    = link.VersionRange{Min: 1, Max: 3}
)

// CapsuleOnce is the first version of the mesh in which the capsule of a job comes
// once a stream. Who speaks an older one takes no payload without its capsule.
const CapsuleOnce = 2

// The first versions that know the wish to withdraw a task. Who speaks an older
// one overlooks it, and would start what it is to withdraw; so that is not sent
// there: a task that does not arrive is not started.
const (
	SessionWithdraws = 2
	MeshWithdraws    = 3
)

// SessionViews is the first version of the session in which a host can be asked
// for its outputs while they are written.
const SessionViews = 3

// VersionsToProto is the wire form of the versions that are spoken.
func VersionsToProto(r link.VersionRange) *typesv1.VersionRange {
	return &typesv1.VersionRange{Min: r.Min, Max: r.Max}
}

// VersionsFromProto reads the versions that a peer speaks.
func VersionsFromProto(r *typesv1.VersionRange) link.VersionRange {
	return link.VersionRange{Min: r.GetMin(), Max: r.GetMax()}
}

// EveryClass is the name, in the credits that open a stream (hello, welcome),
// of the window with which each class begins that they do not name: a peer need
// not know the classes. In later credits it is not used.
const EveryClass = ""

// Credits is more window by class: how many more items of a class may be sent.
// An item is one report or one release (on a session: one report or one
// command), whether it goes out for the first time or again. The receiver
// grants as much as it has taken over.
type Credits map[string]uint32

// Initial is the window with which a class begins.
func (c Credits) Initial(class string) uint32 {
	if more, named := c[class]; named {
		return more
	}
	return c[EveryClass]
}

// CreditsToProto is the wire form of credits, ascending by class; classes that
// are granted nothing are left out.
func CreditsToProto(c Credits) []*typesv1.ClassCredit {
	var out []*typesv1.ClassCredit
	for _, class := range slices.Sorted(maps.Keys(c)) {
		if c[class] > 0 {
			out = append(out, &typesv1.ClassCredit{Class: class, More: c[class]})
		}
	}
	return out
}

// CreditsFromProto reads credits; nil for none. What comes twice for a class
// adds up.
func CreditsFromProto(credits []*typesv1.ClassCredit) Credits {
	if len(credits) == 0 {
		return nil
	}
	out := make(Credits, len(credits))
	for _, c := range credits {
		sum := uint64(out[c.GetClass()]) + uint64(c.GetMore())
		out[c.GetClass()] = uint32(min(sum, math.MaxUint32))
	}
	return out
}
