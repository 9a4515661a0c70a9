package sim

import (
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// host is a machine: a clock, a disk, and the processes of the host side.
type host struct {
	w         *world
	n         int
	id        fleet.HostID
	room      int
	skew      time.Duration
	boot      int
	wipes     int
	gone      bool // for good
	refuses   bool // an operator froze it
	machine   proc // the machine itself
	disk      *disk
	agent     *agent
	exec      *executor
	processes []*endProcess
}

func newHost(w *world, n int) *host {
	h := &host{w: w, n: n, room: w.pick(ofPlan, rooms), id: fleet.HostID(fmt.Sprintf("h%d", n))}
	h.machine = w.newProc(string(h.id))
	h.refuses = w.chance(ofPlan, 60)
	if skew := w.span(ofPlan, -20*time.Second, 20*time.Second); w.faults&Clock != 0 {
		h.skew = skew
	}
	h.disk = newDisk(w.newIncarnation(n, 0))
	w.store.rows = append(w.store.rows, h.disk.inc)
	h.agent = &agent{proc: w.newProc(string(h.id) + " agent"), host: h}
	h.exec = &executor{proc: w.newProc(string(h.id) + " exec"), host: h}
	return h
}

func (h *host) clock() time.Time { return h.w.now.Add(h.skew) }

func (h *host) start() {
	if h.gone || h.machine.up {
		return
	}
	h.machine.rise()
	h.exec.start()
	h.agent.start()
}

// stop ends everything on it. Power loss takes what was not synced, too.
func (h *host) stop(power bool) {
	h.machine.die()
	h.agent.die()
	h.exec.die()
	for _, ep := range h.processes {
		ep.die()
		ep.leader = false
	}
	h.processes = nil
	if power {
		h.disk.powerLoss()
	}
	h.boot++
}

func (h *host) reboot(power bool) {
	if h.gone || !h.machine.up {
		return
	}
	h.w.say(string(h.id), "reboots; power loss: %t", power)
	h.stop(power)
	down := h.w.span(ofFault, time.Second, 8*time.Second)
	if h.w.chance(ofFault, 300) {
		down = h.w.span(ofFault, 10*time.Second, 200*time.Second)
	}
	h.w.after(down, h.start)
}

// slow is how long something takes on this machine: now and then it has no time.
func (h *host) slow(most time.Duration) time.Duration {
	if h.w.chance(ofHost, 50) {
		most = 5 * time.Second
	}
	return h.w.span(ofHost, time.Millisecond, most)
}

// wipe is a host that comes back with a new state directory, and enrols again.
func (h *host) wipe() {
	if h.gone || !h.machine.up {
		return
	}
	h.stop(true)
	h.wipes++
	h.disk = newDisk(h.w.newIncarnation(h.n, h.wipes))
	inc := h.disk.inc
	h.w.say(string(h.id), "has lost its state: it is incarnation %d", h.wipes)
	h.w.after(h.w.span(ofFault, 2*time.Second, 30*time.Second), func() {
		h.start()
		h.w.after(h.w.span(ofFault, 0, 3*time.Second), func() {
			h.w.store.rows[h.n] = inc
			for _, s := range h.w.scheds {
				s.after(h.w.span(ofFault, 0, time.Second), func() { s.changed([]int{h.n}) })
			}
		})
	})
}

// leave is for good.
func (h *host) leave() {
	if h.gone {
		return
	}
	h.w.say(string(h.id), "is gone for good")
	h.gone = true
	h.stop(true)
}

// killExecutor ends the executor; it is started again soon.
func (h *host) killExecutor(why string) {
	if !h.exec.up {
		return
	}
	h.w.say(string(h.id), "its executor is killed: %s", why)
	h.exec.die()
	h.machine.after(h.w.span(ofFault, 50*time.Millisecond, 8*time.Second), h.exec.start)
}

func (h *host) killAgent(why string) {
	if !h.agent.up {
		return
	}
	h.w.say(string(h.id), "its agent is killed: %s", why)
	h.agent.die()
	h.machine.after(h.w.span(ofFault, 50*time.Millisecond, 8*time.Second), h.agent.start)
}

// crashPoint is in the middle of something on the host.
func (h *host) crashPoint(why string) {
	w := h.w
	soon := func(most time.Duration, do func()) {
		w.saw("a host was hit " + why)
		w.after(w.span(ofCrash, 0, most), do)
	}
	switch {
	case w.strikes(ExecutorKill, 15):
		soon(8*time.Millisecond, func() { h.killExecutor(why) })
	case w.strikes(AgentKill, 6):
		soon(8*time.Millisecond, func() { h.killAgent(why) })
	case w.strikes(EndProcessKill, 8):
		soon(20*time.Millisecond, func() { h.killEndProcess(w.pick(ofCrash, 8)) })
	case w.strikes(Reboot, 6):
		soon(8*time.Millisecond, func() { h.reboot(true) })
	}
}

func (h *host) killEndProcess(nth int) {
	if len(h.processes) > 0 {
		h.processes[nth%len(h.processes)].kill()
	}
}
