package cctest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// following is a job that runs on h1 for a while.
func following(t *testing.T, shape cctest.Shape) (*cctest.Cluster, *cctest.Host, client.Job) {
	t.Helper()
	c := cctest.Start(t, shape)
	h := c.Host("h1")
	h.Behaves(cctest.Doing{Takes: time.Minute, Stdout: []byte("end\n")})
	job := c.Run(uptime("h1"))
	c.Task(job, "h1", "RUNNING")
	return c, h, job
}

func TestAnOutputIsSeenWhileItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, job := following(t, cctest.Shape{})
		v := c.Follow(job, "h1", client.FollowQuery{})
		h.Writes(job, "one \x00\xff\n")
		began := time.Now()
		v.Sees("one \x00\xff\n")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it was seen after %v", took)
		}
		h.Writes(job, "two\n")
		v.Sees("one \x00\xff\ntwo\n")
		late := c.Follow(job, "h1", client.FollowQuery{Offset: 3})
		late.Sees(" \x00\xff\ntwo\n")
		if end := v.Ends(); !end.Ended || end.Total != 15 || end.Attempt != 1 {
			t.Errorf("the end is %+v", end)
		}
		v.Sees("one \x00\xff\ntwo\nend\n")
		if after := c.Follow(c.Settles(job), "h1", client.FollowQuery{Offset: 7}); after.Ends().Total != 15 {
			t.Errorf("after the end: %+v", after.Ends())
		} else {
			after.Sees("two\nend\n")
		}
	})
}

func TestWhatThereIsNowCanBeHadWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, job := following(t, cctest.Shape{})
		h.Writes(job, "so far\n")
		v := c.Follow(job, "h1", client.FollowQuery{Now: true})
		if end := v.Ends(); end.Ended || end.Total != 7 {
			t.Errorf("the end is %+v", end)
		}
		v.Sees("so far\n")
		c.Unplug("agent-h1")
		c.Detached("h1")
		if err := c.Follow(job, "h1", client.FollowQuery{Now: true}).Fails(); client.CodeOf(err) != client.Unavailable || !strings.Contains(err.Error(), "h1 is away") {
			t.Errorf("of a host that is away: %v", err)
		}
	})
}

func TestAViewerWaitsForTheStartAndForTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		h := c.Host("h1")
		h.Behaves(cctest.Doing{Takes: time.Hour})
		c.Unplug("agent-h1")
		c.Detached("h1")
		job := c.Run(uptime("h1"))
		v := c.Follow(job, "h1", client.FollowQuery{})
		v.Waits("start")
		c.Plug("agent-h1")
		c.Task(job, "h1", "RUNNING")
		h.Writes(job, "here\n")
		v.Sees("here\n")
		c.Unplug("agent-h1")
		v.Waits("host")
		h.Writes(job, "while away\n")
		c.Plug("agent-h1")
		v.Sees("here\nwhile away\n")
	})
}

func TestAViewerGoesOnAtItsOffsetWhateverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, job := following(t, cctest.Shape{})
		h.Behaves(cctest.Doing{})
		v := c.Follow(job, "h1", client.FollowQuery{})
		want := ""
		for _, crash := range []string{c.Via("h1"), "scheduler-standard-1", "scheduler-standard-2", c.AccessInUse(), "agent-h1"} {
			want += "before " + crash + "\n"
			h.Writes(job, "before "+crash+"\n")
			v.Sees(want)
			c.Crash(crash)
			want += "after " + crash + "\n"
			h.Writes(job, "after "+crash+"\n")
			if crash == "scheduler-standard-2" || crash == "agent-h1" {
				c.Restart(crash)
			}
			v.Sees(want)
			if strings.HasPrefix(crash, "scheduler-standard-1") {
				c.Restart(crash)
			}
		}
		if end := v.Ends(); v.Gaps() != 0 || end.Total != uint64(len(want))+4 {
			t.Errorf("gaps of %d bytes, the end is %+v", v.Gaps(), end)
		}
		v.Sees(want + "end\n")
	})
}

func TestWhatIsKeptOfALongOutputComesWithItsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		all := strings.Repeat("0123456789abcdef", 40_000)
		c.Host("h1").Behaves(cctest.Doing{Stdout: []byte(all)})
		request := uptime("h1")
		request.Command.OutputLimit = 100_000
		job := c.Settles(c.Run(request))
		v := c.Follow(job, "h1", client.FollowQuery{})
		if end := v.Ends(); end.Total != uint64(len(all)) || v.Gaps() != uint64(len(all)-100_000) {
			t.Errorf("gaps of %d bytes, the end is %+v", v.Gaps(), end)
		}
		v.Sees(all[:50_000] + strings.Repeat("\x00", len(all)-100_000) + all[len(all)-50_000:])
		ref := c.Task(job, "h1", "SUCCEEDED").Stdout
		if ref.Size != 100_000 || ref.Tail != 50_000 || ref.Cut != uint64(len(all)-100_000) {
			t.Errorf("%+v", ref)
		}
		if got := string(c.Output(job, ref)); got != all[:50_000]+all[len(all)-50_000:] {
			t.Errorf("%d bytes are kept, or others", len(got))
		}
		result, key := c.Signed(job, c.Task(job, "h1", "SUCCEEDED"))
		if result.Outputs[0].Tail != 50_000 || len(key) == 0 {
			t.Errorf("it is signed as %+v", result.Outputs[0])
		}
		if err := c.Client().Verify(c.Context(), job.ID, c.Task(job, "h1", "SUCCEEDED")); err != nil {
			t.Errorf("its signature: %v", err)
		}
	})
}

func TestWhoAsksForAnOutputThatCannotBeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, job := following(t, cctest.Shape{})
		for what, v := range map[string]*cctest.Viewer{
			"not a target": c.Follow(job, "h2", client.FollowQuery{}),
			"no attempt 7": c.Follow(job, "h1", client.FollowQuery{Attempt: 7}),
		} {
			if err := v.Fails(); client.CodeOf(err) != client.NotFound {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestOfOneHostOnlySoManyOutputsAreSentAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, job := following(t, cctest.Shape{})
		h.Writes(job, "x")
		var viewers []*cctest.Viewer
		for range 4 {
			v := c.Follow(job, "h1", client.FollowQuery{})
			v.Sees("x")
			viewers = append(viewers, v)
		}
		if err := c.Follow(job, "h1", client.FollowQuery{Now: true}).Fails(); !strings.Contains(err.Error(), "4 outputs of host h1") {
			t.Errorf("the fifth: %v", err)
		}
		viewers[0].Leave()
		c.Follow(job, "h1", client.FollowQuery{}).Sees("x")
	})
}

func TestWithPushSwitchedOffAnOutputIsSeenAtHeartbeatPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, job := following(t, cctest.Shape{NoPush: true})
		v := c.Follow(job, "h1", client.FollowQuery{})
		h.Writes(job, "slowly\n")
		v.Sees("slowly\n")
		h.Writes(job, "and live\n")
		v.Sees("slowly\nand live\n")
	})
}
