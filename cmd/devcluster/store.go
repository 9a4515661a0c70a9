package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

// openStore starts what --store asks for and returns its DSN, empty for what
// the cluster makes by itself.
func (s *session) openStore(ctx context.Context, kind string) (dsn string, err error) {
	switch kind {
	case "sqlite":
		return "", nil
	case "postgres":
	default:
		return "", fmt.Errorf("--store %q: must be sqlite or postgres", kind)
	}
	if s.store, err = postgresserver.Start(ctx, postgresserver.Config{}); err != nil {
		return "", err
	}
	s.say("  %5.1f s  PostgreSQL serves", time.Since(s.began).Seconds())
	return s.store.CreateDatabase(ctx, "ccs")
}

// closeStore ends it, after those who use it.
func (s *session) closeStore() error {
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}
