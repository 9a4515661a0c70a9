package devcluster

import (
	"net"
	"testing"
)

func TestAReservedAddressCanBeListenedOnAgainAndAgain(t *testing.T) {
	var p ports
	addr, err := p.reserve()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a process that is killed and started again
		lis, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		served, err := lis.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// The server's side closes first and leaves a TIME_WAIT behind.
		for _, c := range []interface{ Close() error }{served, lis, conn} {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
}

func TestAReservedAddressIsGivenToNobodyWhoAsksForAnyFreeOne(t *testing.T) {
	var p ports
	mine := map[string]bool{}
	for range 2000 { // a good part of the range, so that a collision would show
		addr, err := p.reserve()
		if err != nil {
			t.Fatal(err)
		}
		if mine[addr] {
			t.Fatalf("%s was reserved twice", addr)
		}
		mine[addr] = true
	}
	defer p.close() //nolint:errcheck // the test is over
	for range 2000 {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if mine[lis.Addr().String()] {
			t.Errorf("%s is reserved and was given away", lis.Addr())
		}
		conn, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if mine[conn.LocalAddr().String()] {
			t.Errorf("%s is reserved and was given to a client", conn.LocalAddr())
		}
		_ = conn.Close()
		_ = lis.Close()
	}
}
