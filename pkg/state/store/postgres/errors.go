package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// Codes of PostgreSQL (its manual, appendix A).
const (
	deadlock        = "40P01"
	serialization   = "40001"
	uniqueViolation = "23505"
	lockTimeout     = "55P03"
	checkViolation  = "23514" // of a row that no partition takes as well
)

func pgError(err error) *pgconn.PgError {
	e, _ := errors.AsType[*pgconn.PgError](err)
	return e
}

// isImpossible reports whether the error is the batch's fault, not the store's:
// data that no table takes.
func isImpossible(err error) bool {
	e := pgError(err)
	return e != nil && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23"))
}

// isCollision reports whether another transaction was in the way, so that the
// same again will do: two that accept the same job, or that wait for each other.
func isCollision(err error) bool {
	e := pgError(err)
	return e != nil && (e.Code == deadlock || e.Code == serialization || e.Code == uniqueViolation && e.ConstraintName == "ids_pkey")
}

// isBusy reports whether a lock was not to be had in time.
func isBusy(err error) bool {
	e := pgError(err)
	return e != nil && (e.Code == lockTimeout || e.Code == deadlock)
}

// lacksPartition reports whether a row had no partition to go to.
func lacksPartition(err error) bool {
	e := pgError(err)
	return e != nil && e.Code == checkViolation && e.ConstraintName == ""
}

// failure says what could not be done, and marks what may be right again later.
// Who has given up is told just that.
func failure(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("cannot %s: %w", what, context.Cause(ctx))
	case errors.Is(err, store.ErrUnavailable) || !isPassing(err):
		return fmt.Errorf("cannot %s: %w", what, err)
	}
	return fmt.Errorf("cannot %s: %w: %w", what, store.ErrUnavailable, err)
}

// isPassing reports whether the same may succeed later: everything but what the
// server says of the request itself. What is no answer of the server (a
// connection that was refused, broke or took too long) may always pass.
func isPassing(err error) bool {
	if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNotFound) || errors.Is(err, pgx.ErrNoRows) || errors.Is(err, ErrNewerSchema) {
		return false
	}
	e := pgError(err)
	if e == nil {
		return true
	}
	switch e.Code[:2] {
	case "08", "25", "28", "3D", "40", "53", "55", "57", "58", "F0", "XX":
		return true // connection, transaction state (a standby by now), login, no database, collision, resources, lock, shutdown, I/O, configuration, internal
	}
	return false
}
