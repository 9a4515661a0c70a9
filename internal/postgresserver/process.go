package postgresserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// process is a server while it runs.
type process struct {
	cmd   *exec.Cmd
	where string // directory of the socket
	port  int
	said  bytes.Buffer  // of cmd, until ended
	ended chan struct{} // closed when it has been waited for
}

// settings are for a server that lives as long as a test, on a busy machine.
func settings() map[string]string {
	return map[string]string{
		"max_connections": "200", "shared_buffers": "128MB", "max_wal_size": "2GB",
		"log_min_messages": "warning", "log_checkpoints": "off",
	}
}

// begin starts the process; its port without TCP is only the name of a socket.
func (s *Server) begin(ctx context.Context) (*process, error) {
	p := &process{where: s.dir, port: defaultPort, ended: make(chan struct{})}
	all := settings()
	all["unix_socket_directories"], all["listen_addresses"] = s.dir, ""
	if s.config.TCP {
		var err error
		if p.port, err = freePort(ctx); err != nil {
			return nil, err
		}
		all["listen_addresses"] = "127.0.0.1"
	}
	all["port"] = strconv.Itoa(p.port)
	maps.Copy(all, s.config.Settings)
	args := []string{"-D", s.data()}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", key+"="+all[key])
	}
	p.cmd = exec.Command(filepath.Join(s.bin, "postgres"), args...)
	p.cmd.Dir, p.cmd.SysProcAttr, p.cmd.Stdout, p.cmd.Stderr = s.dir, s.account.attributes(), &p.said, &p.said
	started := make(chan error)
	go func() { // ends with the process, which end waits for
		// The signal of Pdeathsig comes when the thread ends that has started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// untilServing returns when a client is let in.
func (p *process) untilServing(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, p.dsn("postgres", false))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("it ended before it served: %s", &p.said)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// end makes it end, which it does by itself only after a crash, and waits.
func (p *process) end(with syscall.Signal) {
	_ = p.signal(syscall.SIGCONT) // a frozen one hears no other
	if with == syscall.SIGKILL {
		_ = p.signal(with)
	} else {
		_ = p.cmd.Process.Signal(with) // to the first of them: it ends the others
	}
	<-p.ended
}

// signal goes to the process and then to its children, of which it makes no
// more: each is a session of its own, so no group has them all. One that is not
// there any more does not have to hear it.
func (p *process) signal(sig syscall.Signal) error {
	children := func() ([]int, error) { return childrenOf(p.cmd.Process.Pid) }
	before, err := children() // SIGKILL takes the list away
	if err != nil {
		return err
	}
	if err := kill(p.cmd.Process.Pid, sig); err != nil {
		return err
	}
	if sig == syscall.SIGSTOP {
		if before, err = children(); err != nil {
			return err
		}
	}
	for _, pid := range before {
		err = errors.Join(err, kill(pid, sig))
	}
	return err
}

func childrenOf(pid int) (pids []int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for word := range strings.FieldsSeq(string(text)) {
		child, e := strconv.Atoi(word)
		pids, err = append(pids, child), errors.Join(err, e)
	}
	return pids, err
}

func kill(pid int, sig syscall.Signal) error {
	err := syscall.Kill(pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
