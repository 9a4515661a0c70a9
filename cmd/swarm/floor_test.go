package main

import (
	"context"
	"net"
	"testing"
	"time"
)

func TestTheFloorAnswersEveryRoundWithEveryClient(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	times, err := measureFloor(ctx, 20, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(times) != 3 {
		t.Errorf("%d rounds were timed, not 3", len(times))
	}
}

func TestTheFloorSaysWhatItLacksWhenItsTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measureFloor(ctx, 2, 1); err == nil {
		t.Error("it measured without any time")
	}
}

func TestHostsDialFromTheirSourceAddress(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	for _, c := range []struct {
		host int
		want string
	}{{0, "127.0.1.1"}, {perSource - 1, "127.0.1.1"}, {perSource, "127.0.2.1"}} {
		conn, err := sourceDialer(c.host)(t.Context(), lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		host, _, err := net.SplitHostPort(conn.LocalAddr().String())
		if err != nil || host != c.want {
			t.Errorf("host %d dials from %s, not from %s (%v)", c.host, host, c.want, err)
		}
		_ = conn.Close()
	}
}
