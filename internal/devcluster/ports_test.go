package devcluster

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func TestAReservedAddressCanBeListenedOnAgainAndAgain(t *testing.T) {
	p := ports{ip: loopback}
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
	p := ports{ip: loopback}
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

func TestOnlyAnAddressThatOthersCanDialIsListenedOn(t *testing.T) {
	for _, bad := range []string{"0.0.0.0", "::1", "localhost", "10.1.2"} {
		if _, err := (Options{Bin: "bin", Listen: bad}).withDefaults(); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("--listen %s: %v, want an error that names it", bad, err)
		}
	}
	p := ports{ip: netip.MustParseAddr("192.0.2.1")} // of documentation: nobody's
	defer func() { _ = p.close() }()
	if _, err := p.reserve(); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("an address of another machine: %v, want an error that names it", err)
	}
}
