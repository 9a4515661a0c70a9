package client

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// connecting is how gRPC says that there is no connection, and in quotes why.
var connecting = regexp.MustCompile(`^connection error: desc = ("(?:[^"\\]|\\.)*")`)

// unanswered is a connection that was taken, and then nothing came.
var unanswered = regexp.MustCompile(`^(authentication handshake failed|error reading server preface): .*(deadline exceeded|i/o timeout|use of closed network connection)$`)

// broken is a connection that its other end closed in the handshake, as gRPC says
// it when it has flushed its first bytes in vain: bare, and only then. What is
// written later fails as "error reading from server".
var broken = regexp.MustCompile(`^write (?:tcp|unix) \S+: (?:write: )?(?:broken pipe|connection reset by peer)$`)

// noConnection puts into words why there is no connection. A certificate that is
// wrong on one side is another thing than a server that is away: to try again is
// no use.
func (e *Error) noConnection() {
	if e.Code == Unavailable && broken.MatchString(e.Message) {
		// A server that does not accept a certificate says so and closes, and its word
		// may be lost with what came after it. It says so again at the next try.
		e.unsent, e.Message = true, "the server closes the connection before anything is asked ("+e.Message+")"
		return
	}
	m := connecting.FindStringSubmatch(e.Message)
	if m == nil || e.Code != Unavailable {
		return
	}
	why, err := strconv.Unquote(m[1])
	if err != nil {
		return
	}
	e.unsent = true
	why = strings.TrimPrefix(strings.TrimPrefix(why, "transport: "), "Error while dialing: ")
	_, theirs, peer := strings.Cut(why, "peer refused: ") // of pkg/trust/identity
	_, alert, refused := strings.Cut(why, "remote error: tls: ")
	switch {
	case peer:
		e.Code, e.Message = Untrusted, "the server is not trusted: "+theirs
	case refused:
		e.Code, e.Message = Denied, "the server does not accept the certificate that was shown to it (has it expired, or is it of another CA?): "+alert
	case unanswered.MatchString(why):
		e.Message = "the server takes the connection and does not answer"
	case strings.HasSuffix(why, "first record does not look like a TLS handshake"):
		e.Message = "what answers there does not speak TLS: it is no server of CCS"
	default:
		e.Message = why
	}
}

// wasUnsent reports whether an error says that nothing was sent.
func wasUnsent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.unsent
}

// afterSending is the error of a later try: what was lost before may have come to
// the servers, so a certificate that is wrong now does not tell what became of it.
func afterSending(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.unsent || e.Code == Unavailable {
		return err
	}
	return &Error{Code: Unavailable, Message: e.Message, unsent: true}
}
