package postgresserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Config says how the server runs.
type Config struct {
	// Settings are settings of postgresql.conf, above what the server has by
	// itself: fsync stays on unless it is here.
	Settings map[string]string
	// TCP makes it listen on a free port of 127.0.0.1 as well.
	TCP bool
	// Files are put beside its data, readable for it alone; a setting names them
	// by their name: such as a certificate.
	Files map[string][]byte
}

// superuser is the account within the database; it needs no password.
const superuser = "ccs"

// Server is a database cluster and the process that serves it. It is safe for
// concurrent use.
type Server struct {
	bin     string
	dir     string // data and socket; removed by Close
	account account
	config  Config

	mu      sync.Mutex
	process *process // under mu: nil while it does not run
}

// Start makes a new database cluster below the directory for temporary files
// and serves it on a socket there. Errors wrap ErrNotInstalled, if that is it.
func Start(ctx context.Context, config Config) (_ *Server, err error) {
	s := &Server{config: config}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cannot start PostgreSQL: %w", err), s.Close())
		}
	}()
	if s.bin, err = Find(); err != nil {
		return nil, err
	}
	if s.account, err = chooseAccount(); err != nil {
		return nil, err
	}
	// Not where a caller says: the account may not reach into a directory of
	// root's, and a long path makes no name of a socket.
	if s.dir, err = os.MkdirTemp("", "ccs-postgres-"); err != nil {
		return nil, err
	}
	if err := s.account.own(s.dir); err != nil {
		return nil, err
	}
	if err := s.create(ctx); err != nil {
		return nil, err
	}
	return s, s.Run(ctx)
}

// Bin is the directory of the server's programs, and of those that come with it,
// such as pg_dump.
func (s *Server) Bin() string { return s.bin }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// create is initdb. What it writes is not synced: if the machine stops now, so
// does the test.
func (s *Server) create(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--pgdata="+s.data(),
		"--username="+superuser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.dir, s.account.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	for name, content := range s.config.Files {
		path := filepath.Join(s.data(), name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), s.account.own(path)); err != nil {
			return err
		}
	}
	return nil
}

// Run serves again after Stop or Kill, on the same data and the same socket,
// and returns when it does. A port of TCP is another one.
func (s *Server) Run(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return errors.New("cannot run PostgreSQL: it runs already")
	}
	p, err := s.begin(ctx)
	if err != nil {
		return fmt.Errorf("cannot run PostgreSQL: %w", err)
	}
	if err := p.untilServing(ctx); err != nil {
		p.end(syscall.SIGQUIT)
		return fmt.Errorf("cannot run PostgreSQL: %w", err)
	}
	s.process = p
	return nil
}

// Stop ends the server in order: connections are cut, what was committed is
// checkpointed.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server and all its children at once, as if the machine's power
// had failed, but for what the kernel had not written yet.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Lose kills the server, takes its disk away, and serves an empty database cluster
// in its place: by the same socket, with the account of before and nothing else.
func (s *Server) Lose(ctx context.Context) error {
	s.Kill()
	if err := os.RemoveAll(s.data()); err != nil {
		return fmt.Errorf("cannot lose PostgreSQL's data: %w", err)
	}
	if err := s.create(ctx); err != nil {
		return fmt.Errorf("cannot begin PostgreSQL anew: %w", err)
	}
	return s.Run(ctx)
}

func (s *Server) end(with syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.end(with)
		s.process = nil
	}
}

// Freeze stops every process of the server in its place; Thaw lets them go on.
func (s *Server) Freeze() error { return s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return errors.New("PostgreSQL does not run")
	}
	return s.process.signal(sig)
}

// Close ends the server and removes its data. It may be called twice.
func (s *Server) Close() error {
	s.end(syscall.SIGQUIT)
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
