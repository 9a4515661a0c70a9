package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of the target lists that are coming in. A list is weighed as it comes,
// not by what its capsule claims.
const (
	smallList   = 10_000             // targets; lists up to it never wait for larger ones
	roomOfSmall = 40 * smallList     // targets in small lists
	roomOfLarge = 4 * job.MaxTargets // targets in larger ones
	maxComing   = 64                 // lists of one user
)

// errBusy is why a submission is to come again.
var errBusy = errors.New("too many jobs are being submitted at this scheduler; submit it again")

// intake is the lists that are coming in. It is safe for concurrent use.
type intake struct {
	mu           sync.Mutex // protects what follows, and all lists
	small, large lane
	coming       map[string]int // lists, by user
	changed      chan struct{}  // closed when there is more room
}

// lane is lists that wait for one another. All together hold at most what it
// has room for, and those of one user half of it; the eldest list may always
// grow, so that lists that have each come in part do not wait for one another
// for ever.
type lane struct {
	room  int
	lists []*coming // the eldest first
}

// coming is one list.
type coming struct {
	in   *intake
	lane *lane
	user string
	held int // targets
}

func newIntake() *intake {
	return &intake{
		small: lane{room: roomOfSmall}, large: lane{room: roomOfLarge},
		coming: map[string]int{}, changed: make(chan struct{}),
	}
}

// enter begins a list, which is to leave.
func (in *intake) enter(user string, claimed uint64) (*coming, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.coming[user] >= maxComing {
		return nil, busy(fmt.Errorf("%w; %d of them are of user %.140q", errBusy, maxComing, user))
	}
	in.coming[user]++
	c := &coming{in: in, lane: &in.large, user: user}
	if claimed <= smallList {
		c.lane = &in.small
	}
	c.lane.lists = append(c.lane.lists, c)
	return c, nil
}

// grow makes room for more targets, and waits for it until ctx ends.
func (c *coming) grow(ctx context.Context, targets int) error {
	for {
		fits, changed := c.tryGrow(targets)
		if fits {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return busy(errBusy)
		}
	}
}

// tryGrow makes room if there is any; else changed is closed when it may be worth
// another try.
func (c *coming) tryGrow(targets int) (fits bool, changed <-chan struct{}) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if fits = c.lane.fits(c, targets); fits {
		c.held += targets
	}
	return fits, c.in.changed
}

// fits reports whether a list may grow; mu is held.
func (l *lane) fits(c *coming, targets int) bool {
	if l.lists[0] == c {
		return true
	}
	all, users := targets, targets
	for _, other := range l.lists {
		all += other.held
		if other.user == c.user {
			users += other.held
		}
	}
	return all <= l.room && users <= l.room/2
}

// leave gives back all that the list holds.
func (c *coming) leave() {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.lane.lists = slices.DeleteFunc(c.lane.lists, func(other *coming) bool { return other == c })
	if c.in.coming[c.user]--; c.in.coming[c.user] == 0 {
		delete(c.in.coming, c.user)
	}
	close(c.in.changed)
	c.in.changed = make(chan struct{})
}

func busy(why error) error {
	return &wire.RetryAfter{After: comeAgain, Err: fmt.Errorf("%w: %w", wire.ErrUnavailable, why)}
}
