package codec

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// targetsVersion is the first byte of the blob.
const targetsVersion = 1

var errDamagedTargets = errors.New("cannot read the target list of a job: it is damaged")

// EncodeTargets packs the list of a job: the version, the number of targets,
// then for each room its name, its number of targets and, for each of those,
// host id and incarnation. Numbers are varints, names begin with their length.
func EncodeTargets(targets *job.Targets) []byte {
	b := make([]byte, 0, 1+targets.Len()*40)
	b = binary.AppendUvarint(append(b, targetsVersion), uint64(targets.Len()))
	for _, room := range targets.Rooms() {
		b = appendText(b, string(room.Room))
		b = binary.AppendUvarint(b, uint64(room.Count))
		for o := room.First; o < room.First+room.Count; o++ {
			target := targets.At(o)
			b = appendText(b, string(target.Host))
			b = append(b, target.Incarnation[:]...)
		}
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// DecodeTargets undoes EncodeTargets.
func DecodeTargets(b []byte) (*job.Targets, error) {
	if len(b) == 0 || b[0] != targetsVersion {
		return nil, fmt.Errorf("%w: it is not of version %d", errDamagedTargets, targetsVersion)
	}
	r := reader{b: b[1:]}
	count := r.uvarint()
	var builder job.TargetsBuilder
	for len(r.b) > 0 && !r.bad {
		room := fleet.Room(r.text())
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			target := job.Target{Host: fleet.HostID(r.text())}
			copy(target.Incarnation[:], r.take(uint64(len(target.Incarnation))))
			if r.bad {
				break
			}
			if err := builder.Add(room, target); err != nil {
				return nil, fmt.Errorf("%w: %w", errDamagedTargets, err)
			}
		}
	}
	list, err := builder.Build()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errDamagedTargets, err)
	case r.bad || uint64(list.Len()) != count:
		return nil, errDamagedTargets
	}
	return list, nil
}
