package coord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind is the tier of a member.
type Kind string

// The tiers that announce themselves.
const (
	Scheduler  Kind = "scheduler"
	Aggregator Kind = "aggregator"
)

// Member is a process that is alive: `members/<kind>/<name>`.
type Member struct {
	Kind    Kind   `json:"-"`
	Name    string `json:"-"`                 // unique in its kind; no '/'
	Addr    string `json:"address"`           // host:port that peers dial
	Pool    string `json:"pool,omitempty"`    // of a scheduler
	Shards  uint32 `json:"shards,omitempty"`  // number of shards of that pool; the same at all its schedulers
	Room    string `json:"room,omitempty"`    // of an aggregator
	Version string `json:"version,omitempty"` // of the binary
}

// Key returns the member's key.
func (m Member) Key() string { return memberPrefix(m.Kind) + m.Name }

func memberPrefix(kind Kind) string { return "members/" + string(kind) + "/" }

// Validate returns every fault of m, joined.
func (m Member) Validate() error {
	var faults []error
	if m.Kind != Scheduler && m.Kind != Aggregator {
		faults = append(faults, fmt.Errorf("kind %q: must be %s or %s", m.Kind, Scheduler, Aggregator))
	}
	if m.Name == "" || strings.Contains(m.Name, "/") {
		faults = append(faults, fmt.Errorf("name %q: must be set, without '/'", m.Name))
	}
	if m.Addr == "" {
		faults = append(faults, errors.New("address: must be set"))
	}
	if m.Kind == Scheduler && m.Pool == "" {
		faults = append(faults, errors.New("pool: must be set for a scheduler"))
	}
	if m.Kind == Aggregator && m.Room == "" {
		faults = append(faults, errors.New("room: must be set for an aggregator"))
	}
	return errors.Join(faults...)
}

// PutMember announces m as long as the session lasts.
func PutMember(ctx context.Context, s Session, m Member) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("cannot announce member %s: %w", m.Key(), err)
	}
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot announce member %s: %w", m.Key(), err)
	}
	return s.Put(ctx, m.Key(), value)
}

// Announce keeps m announced until ctx ends; it returns the cause.
func Announce(ctx context.Context, c Client, ttl time.Duration, log *slog.Logger, m Member) error {
	return Keep(ctx, c, ttl, log, func(ctx context.Context, s Session) error {
		if err := PutMember(ctx, s, m); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// Members is who is alive, of one kind.
type Members struct {
	Revision int64
	Members  []Member // ascending by name
	Faults   []error  // of entries that were left out, by key
	Alarm    error    // as in [View]
}

// WatchMembers calls see with the members of a kind as [Client.Watch] does.
func WatchMembers(ctx context.Context, c Client, kind Kind, see func(Members)) error {
	return c.Watch(ctx, memberPrefix(kind), func(v View) { see(membersOf(kind, v)) })
}

// GetMembers returns the members of a kind now.
func GetMembers(ctx context.Context, c Client, kind Kind) (Members, error) {
	v, err := c.Get(ctx, memberPrefix(kind))
	if err != nil {
		return Members{}, err
	}
	return membersOf(kind, v), nil
}

func membersOf(kind Kind, v View) Members {
	out := Members{Revision: v.Revision, Alarm: v.Alarm}
	for _, key := range slices.Sorted(maps.Keys(v.Items)) {
		m := Member{Kind: kind, Name: strings.TrimPrefix(key, memberPrefix(kind))}
		err := json.Unmarshal(v.Items[key], &m)
		if err == nil {
			err = m.Validate()
		}
		if err != nil {
			out.Faults = append(out.Faults, fmt.Errorf("entry %s: %w", key, err))
			continue
		}
		out.Members = append(out.Members, m)
	}
	return out
}
