package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// written is a store with rows of these hosts, by revision.
func written(t *testing.T, rows ...fleet.Host) *memory.Store {
	t.Helper()
	s := memory.New()
	epoch, err := s.Claim(t.Context(), hosts.Shard(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	result, err := s.Commit(t.Context(), []store.Batch{{Shard: hosts.Shard(), Epoch: epoch, Number: 1, Hosts: rows}})
	if err != nil || result[0].Err != nil {
		t.Fatal(err, result[0].Err)
	}
	return s
}

// changing is rows that are those of another store when that was restored. It
// counts what is read.
type changing struct {
	hosts.Rows
	fails bool
	read  int
}

func (c *changing) Hosts(ctx context.Context, revision uint64) iter.Seq2[fleet.Host, error] {
	return func(yield func(fleet.Host, error) bool) {
		if c.fails {
			yield(fleet.Host{}, store.ErrUnavailable)
			return
		}
		for h, err := range c.Rows.Hosts(ctx, revision) {
			if c.read++; !yield(h, err) {
				return
			}
		}
	}
}

func polled(t *testing.T, rows hosts.Rows) *hosts.Table {
	t.Helper()
	table := hosts.NewTable(rows, slog.New(slog.DiscardHandler))
	poll(t, table)
	return table
}

func poll(t *testing.T, table *hosts.Table) {
	t.Helper()
	if err := table.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func in(id string, room fleet.Room) fleet.Host {
	h := host(id)
	h.Room = room
	return h
}

func wantRoom(t *testing.T, table *hosts.Table, id fleet.HostID, room fleet.Room) {
	t.Helper()
	if row, known := table.Row(id); row.Room != room || known != (room != "") {
		t.Errorf("%s is in %q (%t), want %q", id, row.Room, known, room)
	}
}

func TestAfterARestoreOfTheStoreTheHostTableIsReadAgain(t *testing.T) {
	backup := []fleet.Host{in("h1", "bj01"), in("h2", "bj01")}
	since := append(backup, in("h3", "bj01"), in("h1", "sh01"))
	moved := in("h4", "gz01")
	for name, now := range map[string][]fleet.Host{
		"to fewer rows":                 backup,
		"to no rows":                    nil,
		"and as many rows came since":   append(backup[:2:2], moved, moved),
		"and more rows came since":      append(backup[:2:2], moved, moved, moved, moved),
		"and the last row is another's": append(backup[:2:2], moved, in("h2", "sh01")),
	} {
		t.Run(name, func(t *testing.T) {
			rows := &changing{Rows: written(t, since...)}
			table := polled(t, rows)
			wantRoom(t, table, "h1", "sh01")
			rows.Rows = written(t, now...)
			poll(t, table)
			want := polled(t, rows)
			if table.Len() != want.Len() {
				t.Errorf("there are %d hosts, want %d", table.Len(), want.Len())
			}
			for _, id := range []fleet.HostID{"h1", "h2", "h3", "h4"} {
				row, _ := want.Row(id)
				wantRoom(t, table, id, row.Room)
			}
			for range 3 { // and what comes then is followed as ever
				rows.Rows = written(t, append(slices.Clip(now), in("h1", "gz01"), in("h9", "gz01"))...)
				poll(t, table)
				wantRoom(t, table, "h9", "gz01")
			}
		})
	}
}

// The row that was read last is there, and yet it is another history: only the
// generation tells.
func TestAnotherGenerationOfTheStoreMeansThatAllIsReadAgain(t *testing.T) {
	rows := &changing{Rows: written(t, in("h1", "bj01"), in("h2", "bj01"), in("h3", "bj01"))}
	table := polled(t, rows)
	table.Under(1)
	rows.Rows = written(t, in("h1", "bj01"), in("h2", "sh01"), in("h3", "bj01"))
	poll(t, table)
	wantRoom(t, table, "h2", "bj01")

	table.Under(1)
	table.Under(2)
	rows.fails = true
	if err := table.Poll(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without the store: %v", err)
	}
	wantRoom(t, table, "h2", "bj01")
	rows.fails = false
	poll(t, table)
	wantRoom(t, table, "h2", "sh01")
}

func TestWithoutARestoreOnlyTheLastRowIsReadTwice(t *testing.T) {
	var many []fleet.Host
	for i := range 50 {
		many = append(many, host(fmt.Sprintf("h%02d", i)))
	}
	rows := &changing{Rows: written(t, many...)}
	table := polled(t, rows)
	table.Under(3)
	for range 10 {
		poll(t, table)
	}
	if rows.read != 50+10 {
		t.Errorf("%d rows were read", rows.read)
	}
	rows.Rows = written(t, append(many, host("h49"), host("new"))...)
	poll(t, table)
	if _, known := table.Row("new"); !known || rows.read != 50+10+2 {
		t.Errorf("%d rows were read; the new one is there: %t", rows.read, known)
	}
}

// As long as its session lasts a host does not say again what the restored store
// has lost; and jobs would be made for the incarnation before.
func TestWhatHostsSaidSinceTheBackupIsWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		d := newDesk(t, s, "s1")
		d.register("h1")
		restore := s.Backup()
		d.attach("agg", "h1", 1, 1, nil)
		d.attach("agg", "h1", 2, 2, func(a *mesh.Attachment) { a.Address, a.Facts = "10.0.0.9", map[string]string{"os": "debian"} })
		time.Sleep(10 * time.Second)
		if row := d.row("h1"); row.Incarnation[0] != 2 {
			t.Fatalf("the row is %+v", row)
		}
		restore()
		if _, err := s.RaiseGeneration(t.Context()); err != nil {
			t.Fatal(err)
		}
		poll(t, d.table)
		if row := d.row("h1"); row.Incarnation[0] != 1 {
			t.Errorf("the restored row is %+v", row)
		}
		if err := <-d.ended; !errors.Is(err, store.ErrFenced) { // and claims again
			t.Errorf("the owner of before ended with %v", err)
		}
		go func() { d.ended <- d.Run(t.Context()) }()
		time.Sleep(10 * time.Second)
		if row := d.row("h1"); row.Incarnation[0] != 2 || row.Facts["os"] != "debian" || row.Address != "10.0.0.9" {
			t.Errorf("the row is %+v", row)
		}
	})
}
