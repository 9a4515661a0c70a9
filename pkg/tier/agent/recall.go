package agent

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/policy"
	"github.com/ccs-project/ccs/pkg/wire"
)

// recall reads what an earlier process of this host kept. What cannot be
// understood is left out: all of it can be had again.
func (a *Agent) recall(ctx context.Context) error {
	if err := a.recallNumbers(ctx); err != nil {
		return err
	}
	if err := a.recallBundle(ctx); err != nil {
		return err
	}
	return a.recallCopies(ctx)
}

func (a *Agent) recallNumbers(ctx context.Context) error {
	text, err := a.deps.State.Load(sessionsName)
	if err != nil {
		return fmt.Errorf("cannot read the session numbers: %w", err)
	}
	if text == nil {
		return nil
	}
	n, err := parseNumbers(string(text))
	if err != nil {
		a.log.WarnContext(ctx, "session numbers are damaged; new ones will be reserved", slog.Any("error", err))
		return nil
	}
	a.numbers, a.incarnation = n, n.incarnation
	return nil
}

func (a *Agent) recallBundle(ctx context.Context) error {
	text, err := a.deps.State.Load(bundleName)
	if err != nil {
		return fmt.Errorf("cannot read the bundle: %w", err)
	}
	if text == nil {
		return nil
	}
	envelope, err := capsule.ParseEnvelope(text)
	if err == nil {
		a.bundle, err = policy.OpenBundle(envelope, a.deps.Operator)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "kept bundle cannot be used; the next session brings one", slog.Any("error", err))
	}
	return nil
}

func (a *Agent) recallCopies(ctx context.Context) error {
	names, err := a.deps.State.List(copyPrefix)
	if err != nil {
		return fmt.Errorf("cannot list the kept commands: %w", err)
	}
	for _, name := range names {
		content, err := a.deps.State.Load(name)
		if err != nil {
			return fmt.Errorf("cannot read the kept command %s: %w", name, err)
		}
		d, err := parseCopy(content)
		if err != nil || copyName(d.Job) != name {
			a.log.WarnContext(ctx, "kept command is damaged and is left out; it will be sent again", slog.String("name", name), slog.Any("error", err))
			a.forgetCopy(ctx, strings.TrimPrefix(name, copyPrefix))
			continue
		}
		e := a.entry(d.Job)
		e.asked, e.copied, e.cached = &d, true, true
		e.want = max(e.want, d.Want)
		a.cached++
	}
	return nil
}

// copyName is where the cache keeps a command.
func copyName(id job.ID) string { return copyPrefix + id.String() }

// encodeCopy is a command as the cache keeps it: as it came, capsule and all.
// Without its capsule it is of no use there.
func encodeCopy(d wire.Delivery) ([]byte, error) {
	if d.Capsule == nil {
		return nil, fmt.Errorf("%w: there is no capsule in it", wire.ErrMessage)
	}
	return proto.Marshal(wire.DeliveryToProto(d, wire.EnvelopeToProto(*d.Capsule)))
}

func parseCopy(content []byte) (wire.Delivery, error) {
	var c sessionv1.Command
	if err := proto.Unmarshal(content, &c); err != nil {
		return wire.Delivery{}, err
	}
	d, err := wire.DeliveryFromProto(&c)
	if err == nil && d.Capsule == nil {
		err = fmt.Errorf("%w: there is no capsule in it", wire.ErrMessage)
	}
	return d, err
}

// forgetCopy removes a command from the cache; one that stays is handed over
// again, and found to be known.
func (a *Agent) forgetCopy(ctx context.Context, id string) {
	if err := a.deps.State.Remove(copyPrefix + id); err != nil {
		a.log.WarnContext(ctx, "cannot remove a command from the cache", slog.String("job", id), slog.Any("error", err))
	}
}
