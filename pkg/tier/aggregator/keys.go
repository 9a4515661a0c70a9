package aggregator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/policy"
	"github.com/ccs-project/ccs/pkg/wire"
)

// watchBundle keeps the bundle of keys that is published. Its signature is for
// the hosts to judge: here is no operator's key, and no reason to have one.
func (s *Server) watchBundle(ctx context.Context) error {
	return coord.WatchBundle(ctx, s.coord, func(text []byte) {
		if text == nil {
			return
		}
		b, err := readBundle(text)
		if err != nil {
			s.log.ErrorContext(ctx, "published bundle cannot be read; the one before goes on being offered", "error", err)
			return
		}
		s.hub.setBundle(b)
	})
}

// watchClasses keeps a share of each budget for each class of the deployment.
func (s *Server) watchClasses(ctx context.Context) error {
	return coord.WatchClasses(ctx, s.coord, func(c coord.Classes) { s.hub.setClasses(c.Pool) })
}

func readBundle(text []byte) (bundle, error) {
	envelope, err := capsule.ParseEnvelope(text)
	if err != nil {
		return bundle{}, err
	}
	if envelope.PayloadType != policy.PayloadType || len(envelope.Payload) > policy.MaxBytes || len(envelope.Signatures) > capsule.MaxSignatures {
		return bundle{}, fmt.Errorf("%w: a %.80q of %d bytes is no bundle", wire.ErrMessage, envelope.PayloadType, len(envelope.Payload))
	}
	var said struct {
		Version uint64 `json:"version"`
	}
	if err := json.Unmarshal(envelope.Payload, &said); err != nil {
		return bundle{}, fmt.Errorf("%w: %w", wire.ErrMessage, err)
	}
	return bundle{version: said.Version, envelope: wire.EnvelopeToProto(envelope)}, nil
}
