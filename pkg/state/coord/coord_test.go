package coord_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/memory"
)

// last runs a watch until it has shown something, and returns that.
func last[T any](t *testing.T, watch func(ctx context.Context, see func(T)) error) T {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var seen T
	_ = watch(ctx, func(v T) { // the cause is ours
		seen = v
		cancel()
	})
	return seen
}

func TestMembersAreSeenAsTheyAnnouncedThemselves(t *testing.T) {
	hub := memory.New()
	s, err := hub.Grant(t.Context(), coord.MinTTL)
	if err != nil {
		t.Fatal(err)
	}
	b := coord.Member{Kind: coord.Aggregator, Name: "agg-b", Addr: "10.0.0.2:7420", Room: "bj01", Version: "v1"}
	a := coord.Member{Kind: coord.Aggregator, Name: "agg-a", Addr: "10.0.0.1:7420", Room: "bj01"}
	for _, m := range []coord.Member{b, a, {Kind: coord.Scheduler, Name: "s", Addr: "10.0.0.3:7410", Pool: "bulk"}} {
		if err := coord.PutMember(t.Context(), s, m); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range map[string]string{"members/aggregator/c": "{", "members/aggregator/d": `{"address":"x:1"}`} {
		if err := hub.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	got := last(t, func(ctx context.Context, see func(coord.Members)) error {
		return coord.WatchMembers(ctx, hub, coord.Aggregator, see)
	})
	if !slices.Equal(got.Members, []coord.Member{a, b}) || got.Alarm != nil {
		t.Errorf("got %+v", got)
	}
	if len(got.Faults) != 2 || !strings.Contains(got.Faults[0].Error(), "members/aggregator/c") || !strings.Contains(got.Faults[1].Error(), "room") {
		t.Errorf("faults: %v", got.Faults)
	}
	v, err := hub.Get(t.Context(), "members/aggregator/agg-b")
	if want := `{"address":"10.0.0.2:7420","room":"bj01","version":"v1"}`; err != nil || string(v.Items[b.Key()]) != want {
		t.Errorf("on the wire: %s (%v), want %s", v.Items[b.Key()], err, want)
	}
	if now, err := coord.GetMembers(t.Context(), hub, coord.Scheduler); err != nil || len(now.Members) != 1 {
		t.Errorf("schedulers: %+v, %v", now, err)
	}
}

func TestAMemberWithFaultsIsNotAnnounced(t *testing.T) {
	hub := memory.New()
	s, err := hub.Grant(t.Context(), coord.MinTTL)
	if err != nil {
		t.Fatal(err)
	}
	for want, m := range map[string]coord.Member{
		"kind": {Name: "a", Addr: "x"},
		"name": {Kind: coord.Scheduler, Name: "a/b", Addr: "x", Pool: "p"},
		"addr": {Kind: coord.Scheduler, Name: "a", Pool: "p"},
		"pool": {Kind: coord.Scheduler, Name: "a", Addr: "x"},
		"room": {Kind: coord.Aggregator, Name: "a", Addr: "x"},
	} {
		if err := coord.PutMember(t.Context(), s, m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if v, _ := hub.Get(t.Context(), ""); len(v.Items) != 0 {
		t.Errorf("written: %q", v.Items)
	}
}

func TestShardsAreSeenWithTheirHolders(t *testing.T) {
	hub := memory.New()
	s, err := hub.Grant(t.Context(), coord.MinTTL)
	if err != nil {
		t.Fatal(err)
	}
	for key, name := range map[string]string{
		coord.ShardKey("bulk", 0): "a", coord.ShardKey("bulk", 63): "b", coord.ShardKey("bulk2", 1): "c",
		coord.HostTableKey: "h", "shards/bulk/x": "?", "shards/bulk/007": "?",
	} {
		if _, err := s.Acquire(t.Context(), key, name); err != nil {
			t.Fatal(err)
		}
	}
	got := last(t, func(ctx context.Context, see func(coord.Owners)) error {
		return coord.WatchOwners(ctx, hub, "bulk", see)
	})
	if fmt.Sprint(got.Owner) != "map[0:a 63:b]" {
		t.Errorf("got %v", got.Owner)
	}
	owner := last(t, func(ctx context.Context, see func(string)) error { return coord.WatchHostTable(ctx, hub, see) })
	if owner != "h" {
		t.Errorf("the host table is held by %q", owner)
	}
}

func TestClassesAndBundleAreWhatOperatorsSet(t *testing.T) {
	hub := memory.New()
	for class, pool := range map[string]string{"critical": "p1", "bulk": "p2"} {
		if err := coord.PutClass(t.Context(), hub, class, pool); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range [][2]string{{"", "p"}, {"c", ""}, {"a/b", "p"}} {
		if err := coord.PutClass(t.Context(), hub, bad[0], bad[1]); err == nil {
			t.Errorf("class %q, pool %q: accepted", bad[0], bad[1])
		}
	}
	classes := last(t, func(ctx context.Context, see func(coord.Classes)) error { return coord.WatchClasses(ctx, hub, see) })
	if fmt.Sprint(classes.Pool) != "map[bulk:p2 critical:p1]" {
		t.Errorf("got %v", classes.Pool)
	}
	watchBundle := func(ctx context.Context, see func([]byte)) error { return coord.WatchBundle(ctx, hub, see) }
	if got := last(t, watchBundle); got != nil {
		t.Errorf("a bundle before there is one: %q", got)
	}
	if err := coord.PutBundle(t.Context(), hub, []byte("signed")); err != nil {
		t.Fatal(err)
	}
	if got := last(t, watchBundle); string(got) != "signed" {
		t.Errorf("got %q", got)
	}
}

func TestWhatIsHeldIsHeldAgainAfterEveryTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := memory.New()
		ctx, cancel := context.WithCancel(t.Context())
		held := make(chan coord.Session)
		ended := make(chan error)
		causes := make(chan error, 10)
		tries := 0
		go func() {
			ended <- coord.Keep(ctx, hub, coord.MinTTL, slog.New(slog.DiscardHandler), func(ctx context.Context, s coord.Session) error {
				if tries++; tries == 1 {
					return errors.New("the first try fails")
				}
				if ok, err := s.Acquire(ctx, "k", "me"); !ok || err != nil {
					return fmt.Errorf("held by another: %w", err)
				}
				held <- s
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return nil
			})
		}()
		first := <-held
		hub.Expire(first)
		if second := <-held; second == first {
			t.Error("a lost session is used again")
		}
		if cause := <-causes; !errors.Is(cause, coord.ErrLost) {
			t.Errorf("the cause is %v, want ErrLost", cause)
		}
		hub.Away()
		if cause := <-causes; !errors.Is(cause, coord.ErrLost) {
			t.Errorf("after the TTL the cause is %v, want ErrLost", cause)
		}
		<-time.After(time.Minute)
		hub.Back()
		<-held
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		if v, err := hub.Get(t.Context(), "k"); err != nil || len(v.Items) != 0 {
			t.Errorf("still held after the end: %q, %v", v.Items, err)
		}
	})
}

func TestKeysAreSpreadOverMembersAndMoveLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 8).Draw(t, "members")
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf("scheduler-%d", i))
		}
		fewer := slices.Delete(slices.Clone(members), 0, 1)
		count := map[string]int{}
		for shard := range uint32(64 * n) {
			key := coord.ShardKey("p", shard)
			home := coord.Home(key, members)
			count[home]++
			reversed := slices.Clone(members)
			slices.Reverse(reversed)
			if coord.Home(key, reversed) != home {
				t.Fatal("the order of the members matters")
			}
			if home != members[0] && coord.Home(key, fewer) != home {
				t.Fatalf("%s moved though its member stayed", key)
			}
		}
		for _, m := range members {
			if count[m] < 32 || count[m] > 96 {
				t.Fatalf("%s has %d of %d shards, want about 64", m, count[m], 64*n)
			}
		}
	})
	if coord.Home("k", nil) != "" {
		t.Error("a home without members")
	}
}
