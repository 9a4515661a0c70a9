package scheduler

import (
	"testing"
	"testing/synctest"
	"time"
)

// lose makes the network lose what goes to hosts, or not any more.
func (w *world) lose(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loses = on
}

// neverArrived is a job of which no release arrived before its hosts went away; it
// is done and out of memory.
func (r *rig) neverArrived(hosts int) *order {
	r.Helper()
	r.world.lose(true)
	o := r.run()
	synctest.Wait()
	for i := range hosts {
		r.world.detach(hostName(i))
	}
	<-time.After(3 * time.Hour) // of the bubble
	r.world.lose(false)
	r.done(o.id)
	if got := counts(r.job(o.id))["UNKNOWN"]; got != hosts {
		r.Fatalf("%d of %d tasks are UNKNOWN", got, hosts)
	}
	return o
}

// By then the job's deadline has passed, and with it the wish is to stop: a host
// that knows nothing of its task records it as CANCELED.
//
// Rules: never-arrived
func TestAReleaseThatNeverArrivedIsAskedForWhenItsHostIsBackLongAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		o := r.neverArrived(2)
		r.world.attach(hostName(0))
		<-time.After(2 * lateEvery)
		synctest.Wait()
		if got := counts(r.job(o.id)); got["CANCELED"] != 1 || got["UNKNOWN"] != 1 {
			t.Errorf("with one host back the job says %v", got)
		}
		r.world.wipe(hostName(1))
		r.world.attach(hostName(1))
		<-time.After(2 * lateEvery)
		synctest.Wait()
		if got := counts(r.job(o.id)); got["CANCELED"] != 1 || got["LOST"] != 1 || r.world.task(hostName(0), o.id).started != 0 {
			t.Errorf("with the other one back, and wiped, the job says %v", got)
		}
	})
}

// Who looks at a job all the time keeps it in memory, where it is told of no host.
func TestALookAtAJobDoesNotKeepItsTruthAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		o := r.neverArrived(1)
		r.summarizes(o.id)
		r.world.attach(hostName(0))
		for range 2 * lateEvery / (10 * time.Second) {
			<-time.After(10 * time.Second)
			r.summarizes(o.id)
		}
		if got := counts(r.job(o.id)); got["CANCELED"] != 1 {
			t.Errorf("the job says %v", got)
		}
	})
}

func TestANewOwnerAsksForWhatNeverArrivedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		o := r.neverArrived(1)
		r.end(r.all["s1"])
		r.start("s2")
		r.whole(r.last, 4)
		r.world.attach(hostName(0))
		<-time.After(2 * lateEvery)
		synctest.Wait()
		if got := counts(r.job(o.id)); got["CANCELED"] != 1 {
			t.Errorf("the job says %v", got)
		}
	})
}
