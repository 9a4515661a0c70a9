package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// What the store and the host write for one command, as strace shows it. Before
// the start:
//
//	scheduler    ccs.db-wal          acceptance and release, one commit, about 10 pages
//	executor     commands/           the command's new directory
//	executor     <command>/.tmp      its spec
//	executor     <command>/          the spec's name
//	end-process  <command>/.tmp      the attempt's record
//	end-process  <command>/          its name
//
// and then, until the result is durable:
//
//	end-process  <command>/stdout.1  what the command wrote
//	end-process  <command>/.tmp      the exit record
//	end-process  <command>/          its name
//	executor     <command>/          what it has read must not go away again
//	scheduler    ccs.db-wal          the outcome
const (
	fsyncsToStart  = 6
	fsyncsToResult = 11

	walPages   = 10 // of a commit
	walPage    = 4096 + 24
	walAround  = 2000 // pages after which SQLite begins again at the front
	recordSize = 256
	specSize   = 1024
)

// floorTimes are those of one round.
type floorTimes struct{ toStart, toResult, hops, process time.Duration }

// sum is the least that a first start can take: one thing after another.
func (t floorTimes) sum() time.Duration { return t.toStart + t.hops + t.process }

// floor does what one job cannot do without, and nothing else. Not safe for
// concurrent use.
type floor struct {
	dir        string // on the file system of the cluster
	endprocess string
	wal        *os.File
	pages      int
	commands   int
	chain      *chain
	syncs      int // made so far, for the test
}

func newFloor(base, bin string) (*floor, error) {
	f := &floor{dir: filepath.Join(base, "floor"), endprocess: filepath.Join(bin, "ccs-endprocess")}
	if err := os.MkdirAll(filepath.Join(f.dir, "commands"), 0o700); err != nil {
		return nil, err
	}
	var err error
	if f.wal, err = os.OpenFile(filepath.Join(f.dir, "wal"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if f.chain, err = newChain(f.dir); err != nil {
		return nil, errors.Join(err, f.wal.Close())
	}
	return f, nil
}

func (f *floor) close() error {
	return errors.Join(f.chain.close(), f.wal.Close(), os.RemoveAll(f.dir))
}

// measure is one round.
func (f *floor) measure(ctx context.Context) (t floorTimes, err error) {
	began := time.Now()
	command, err := f.acceptAndClaim()
	if err != nil {
		return t, err
	}
	t.toStart = time.Since(began)
	if err := f.endAndCommit(command); err != nil {
		return t, err
	}
	t.toResult = time.Since(began)
	if t.hops, err = f.chain.once(ctx); err != nil {
		return t, err
	}
	began = time.Now()
	if out, err := exec.CommandContext(ctx, f.endprocess, "--version").CombinedOutput(); err != nil {
		return t, fmt.Errorf("cannot run %s: %w: %s", f.endprocess, err, out)
	}
	t.process = time.Since(began)
	return t, nil
}

// acceptAndClaim writes what is durable before a command starts.
func (f *floor) acceptAndClaim() (command string, err error) {
	f.commands++
	command = filepath.Join(f.dir, "commands", strconv.Itoa(f.commands))
	for _, step := range []func() error{
		f.commit,
		func() error { return os.Mkdir(command, 0o700) },
		func() error { return f.syncDir(filepath.Dir(command)) },
		func() error { return f.create(command, "spec", specSize) },
		func() error { return f.create(command, "attempt.1", recordSize) },
	} {
		if err := step(); err != nil {
			return "", err
		}
	}
	return command, nil
}

// endAndCommit writes what is durable before the client hears of the outcome.
func (f *floor) endAndCommit(command string) error {
	return errors.Join(
		f.write(filepath.Join(command, "stdout.1"), len("here\n")),
		f.create(command, "exit.1", recordSize),
		f.syncDir(command),
		f.commit(),
	)
}

// commit is what SQLite does for a transaction in WAL mode.
func (f *floor) commit() error {
	if f.pages += walPages; f.pages > walAround {
		f.pages = walPages
	}
	if _, err := f.wal.WriteAt(bytes.Repeat([]byte{1}, walPages*walPage), int64(f.pages-walPages)*walPage); err != nil {
		return err
	}
	f.syncs++
	return f.wal.Sync()
}

// create makes a durable file: written under another name, synced, renamed, and
// its directory synced.
func (f *floor) create(dir, name string, size int) error {
	temporary := filepath.Join(dir, ".tmp")
	return errors.Join(f.write(temporary, size), os.Rename(temporary, filepath.Join(dir, name)), f.syncDir(dir))
}

func (f *floor) write(path string, size int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.syncs++
	_, err = file.Write(bytes.Repeat([]byte{'x'}, size))
	return errors.Join(err, file.Sync(), file.Close())
}

func (f *floor) syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	f.syncs++
	return errors.Join(dir.Sync(), dir.Close())
}
