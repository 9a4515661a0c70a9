package postgresserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// CreateDatabase makes an empty database and returns its DSN, on the socket.
func (s *Server) CreateDatabase(ctx context.Context, name string) (dsn string, err error) {
	if dsn, err = s.DSN("postgres"); err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("cannot create database %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", fmt.Errorf("cannot create database %s: %w", name, err)
	}
	return s.DSN(name)
}

// DSN is how a client reaches a database by the socket. It stays the same when
// the server runs again.
func (s *Server) DSN(database string) (string, error) { return s.dsn(database, false) }

// DSNByTCP is how a client reaches it on 127.0.0.1.
func (s *Server) DSNByTCP(database string) (string, error) { return s.dsn(database, true) }

// defaultPort is no port without TCP, but part of the name of a socket.
const defaultPort = 5432

func socketIn(dir string) string { return filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(defaultPort)) }

// Socket is the path of the server's unix socket, unless it listens on TCP too.
func (s *Server) Socket() string { return socketIn(s.dir) }

func (s *Server) dsn(database string, tcp bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return "", errors.New("PostgreSQL does not run")
	}
	return s.process.dsn(database, tcp), nil
}

func (p *process) dsn(database string, tcp bool) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Host: ":" + strconv.Itoa(p.port), Path: "/" + database}
	if tcp {
		u.Host = "127.0.0.1" + u.Host
	} else {
		u.Host, u.RawQuery = "", url.Values{"host": {p.where}, "port": {strconv.Itoa(p.port)}}.Encode()
	}
	return u.String()
}
