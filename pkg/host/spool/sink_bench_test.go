package spool

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkAGigabyteGoesBy is a gigabyte of output with the default limit, beside
// the floor: the same gigabyte through a pipe that is only read.
func BenchmarkAGigabyteGoesBy(b *testing.B) {
	b.Run("kept", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			_ = os.RemoveAll(dir)
			r, err := Open(dir)
			if err != nil {
				b.Fatal(err)
			}
			if err := r.Accept(Spec{ID: "a", Run: Run{Argv: []string{"head"}, Keep: DefaultKept}}, nil, nil); err != nil {
				b.Fatal(err)
			}
			c, err := r.Command("a")
			if err != nil {
				b.Fatal(err)
			}
			to, err := c.FIFO(1, 0, -1, -1)
			if err != nil {
				b.Fatal(err)
			}
			s, err := c.OpenSink(1, 0, DefaultKept)
			if err != nil {
				b.Fatal(err)
			}
			cmd := exec.Command("head", "-c", "1G", "/dev/zero")
			cmd.Stdout = os.NewFile(uintptr(to), "fifo")
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			unix.Close(to)
			for s.FD() >= 0 {
				if !s.Pull() {
					_, _ = unix.Poll([]unix.PollFd{{Fd: int32(max(s.FD(), 0)), Events: unix.POLLIN}}, 100)
				}
			}
			_ = cmd.Wait()
			if d := s.Drained(); d.Total() != 1<<30 {
				b.Fatal(d)
			}
			s.Close()
			c.Close()
			r.Close()
		}
		b.SetBytes(1 << 30)
	})
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			cmd := exec.Command("head", "-c", "1G", "/dev/zero")
			out, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{out}, make([]byte, pullSize))
			_ = cmd.Wait()
		}
		b.SetBytes(1 << 30)
	})
}
