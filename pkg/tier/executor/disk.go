package executor

import (
	"runtime"
	"sync"
)

// diskWorkers is how much that may block, such as a write that is synced or a
// fork, is done side by side. Each keeps a thread of its own.
const diskWorkers = 16

// spareThreads is how many threads there are from the beginning: enough for what
// may block at a time, and for what runs beside it. The Go runtime ends a
// process that needs another thread when the host has no pids left; threads that
// it has it keeps.
const spareThreads = diskWorkers + 12

// onDisk runs what may block, when it is its turn. Never call it in the loop.
func (e *Executor) onDisk(do func() error) error {
	e.disk <- struct{}{}
	defer func() { <-e.disk }()
	return do()
}

// makeThreads makes the runtime have so many threads.
func makeThreads(n int) {
	var all, made sync.WaitGroup
	made.Add(n)
	for range n {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			made.Done()
			made.Wait() // until every one has a thread
		})
	}
	all.Wait()
}
