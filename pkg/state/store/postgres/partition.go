package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// The partitioned tables have one partition for each day (UTC) of job ids, which
// are UUIDv7 and begin with their time. That of 1 March 2026 is <table>_p20260301
// and takes the ids from the first to before the last of
//
//	019ca6b1-dc00-0000-0000-000000000000
//	019cabd8-3800-0000-0000-000000000000
//
// There is no default partition: a row in it would keep its day from ever being
// made. Partitions are made by whoever needs one first, a day ahead of the clock
// as a rule; a job's id is at most a day off (job.MaxIDSkew). Nothing else in
// the store depends on how long a partition is.
//
// A partition is made apart and then attached, which stops neither readers nor
// writers of the others. Retention drops the partitions of a day after its last
// job is gone (drop.go).
func partitioned() []string { return []string{"bodies", "tasks", "outputs"} }

// partitionLock is the advisory lock of whoever makes partitions ("ccs" and 1).
const partitionLock = 0x636373_0001

// ahead is how long before its day begins a partition is there.
const ahead = 24 * time.Hour

// Nobody waits for a partition that is not needed yet: others may hold a lock
// that is in its way, such as that of ANALYZE, for minutes.
const (
	waitAhead  = "50ms"
	laterAhead = time.Minute // until it is tried again
)

// days are the partitions that are known to be there.
type days struct {
	mu    sync.Mutex
	known map[day]bool // under mu
	later time.Time    // under mu: nothing is made ahead before
}

// day is a day of UTC, counted from 1 January 1970.
type day int64

func dayOf(t time.Time) day { return day(t.UnixMilli() / (24 * time.Hour).Milliseconds()) }

func (d day) begin() time.Time {
	return time.UnixMilli(int64(d) * (24 * time.Hour).Milliseconds()).UTC()
}

// name is that of the partition of a table.
func (d day) name(table string) string { return table + "_p" + d.suffix() }

// suffix is what the names of its partitions end with.
func (d day) suffix() string { return d.begin().Format(suffixLayout) }

const suffixLayout = "20060102"

// first is less than any id of the day and greater than any of the day before.
func (d day) first() string {
	id := job.NewID(d.begin(), [10]byte{})
	id[6], id[8] = 0, 0 // without version and variant
	return id.String()
}

// lacking returns those that are not known to be there, once each.
func (p *days) lacking(wanted []day) (list []day) {
	p.mu.Lock()
	defer p.mu.Unlock()
	met := map[day]bool{}
	for _, d := range wanted {
		if !p.known[d] && !met[d] {
			met[d] = true
			list = append(list, d)
		}
	}
	return list
}

func (p *days) add(list []day) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range list {
		p.known[d] = true
	}
}

// forget is for when one of them proves to have been dropped.
func (p *days) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.known)
	p.later = time.Time{}
}

// ensure makes the partitions of the wanted days and of today, and that of the day
// to come unless somebody is in the way.
func (p *days) ensure(ctx context.Context, pool *pgxpool.Pool, now time.Time, wanted []day) error {
	if err := p.make(ctx, pool, p.lacking(append(wanted, dayOf(now))), ""); err != nil {
		return err
	}
	list := p.lacking([]day{dayOf(now.Add(ahead))})
	if len(list) == 0 || !p.mayTryAhead(now) {
		return nil
	}
	err := p.make(ctx, pool, list, "SET LOCAL lock_timeout = '"+waitAhead+"'")
	if isBusy(err) {
		return nil
	}
	return err
}

// mayTryAhead reports it once in a while, to one.
func (p *days) mayTryAhead(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.later) {
		return false
	}
	p.later = now.Add(laterAhead)
	return true
}

func (p *days) make(ctx context.Context, pool *pgxpool.Pool, list []day, first string) error {
	if len(list) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, first); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(partitionLock)); err != nil {
			return err
		}
		for _, d := range list {
			for _, table := range partitioned() {
				if err := makePartition(ctx, tx, table, d); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot make partitions: %w", err)
	}
	p.add(list)
	return nil
}

// makePartition makes one unless it is there. The names are ours, so they need
// no quoting; statements that define tables take no parameters.
func makePartition(ctx context.Context, tx pgx.Tx, table string, d day) error {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", d.name(table)).Scan(&there); err != nil || there {
		return err
	}
	for _, text := range []string{
		fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING STORAGE)", d.name(table), table),
		fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')", table, d.name(table), d.first(), (d + 1).first()),
	} {
		if _, err := tx.Exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}
