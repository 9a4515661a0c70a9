package executor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"

	"github.com/ccs-project/ccs/pkg/host/spool"
)

// listen takes the ids that end-processes ring with.
func (e *Executor) listen(bell *os.File) {
	lines := bufio.NewReader(bell)
	whole := true
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // no id is that long
			whole = false
			continue
		}
		if err != nil {
			return
		}
		id := strings.TrimSuffix(string(line), "\n")
		if whole {
			e.post(func(ctx context.Context) {
				if id == spool.ReleaseRing {
					e.heedReleases(ctx)
				}
				if c := e.commands[id]; c != nil && !c.busy {
					e.look(c)
				}
			})
		}
		whole = true
	}
}

// Listen opens the unix socket, which only its owner can reach from the first
// moment on. It refuses a path on which somebody answers.
func Listen(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("cannot listen on %s: another process answers there; stop it, or choose another socket", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	temp := path + ".new"
	_ = os.Remove(temp)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // its name is another by then
	if err = os.Chmod(temp, 0o600); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.Remove(temp))
	}
	return listener, nil
}

// PeerCredentials admits callers of the same account and root, as the kernel
// says who they are: the one connection without mutual TLS.
func PeerCredentials() credentials.TransportCredentials { return peer{} }

type peer struct{}

// peerInfo is the caller's account.
type peerInfo struct {
	credentials.CommonAuthInfo
	UID uint32
}

// AuthType implements credentials.AuthInfo.
func (peerInfo) AuthType() string { return "peer" }

var errStranger = errors.New("only the executor's own account and root may call it")

// ServerHandshake implements credentials.TransportCredentials.
func (peer) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	sock, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil, errStranger
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var who *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) { who, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, nil, err
	}
	if credErr != nil {
		return nil, nil, credErr
	}
	if who.Uid != 0 && int(who.Uid) != os.Geteuid() {
		return nil, nil, errStranger
	}
	// The kernel vouches for both ends; nothing leaves the host.
	info := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
	return conn, peerInfo{info, who.Uid}, nil
}

// ClientHandshake implements credentials.TransportCredentials. Callers need no
// credentials of this kind.
func (peer) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errStranger
}

// Info implements credentials.TransportCredentials.
func (peer) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peer"}
}

// Clone implements credentials.TransportCredentials.
func (p peer) Clone() credentials.TransportCredentials { return p }

// OverrideServerName implements credentials.TransportCredentials; there is none.
func (peer) OverrideServerName(string) error { return nil }
