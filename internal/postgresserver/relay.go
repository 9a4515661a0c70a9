package postgresserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
)

// Frontend messages that matter here (PostgreSQL's manual, "Message Formats").
const (
	parseMessage = 'P' // prepares a statement: its name, its text
	bindMessage  = 'B' // of a portal: its name, the statement's
	queryMessage = 'Q' // a text
	syncMessage  = 'S'
)

// relay copies what the client says, message by message, and looks for COMMIT.
// said: the server has been told something that it is to do to the end.
func (p *Proxy) relay(client, server net.Conn) (said bool) {
	first, err := readMessage(client, 0)
	if err != nil {
		return false
	}
	if first.isCancel() { // pgx sends one after a connection that broke, and would undo what is to be committed
		return false
	}
	if _, err := server.Write(first.bytes); err != nil {
		return false
	}
	texts := map[string]string{} // of statements, by name
	for {
		m, err := readMessage(client, 1)
		if err != nil {
			return false
		}
		if m.isCommit(texts) {
			if fate := p.nextFate(); fate != Pass {
				p.cut.Add(1)
				return p.cutAt(fate, m, client, server)
			}
		}
		if _, err := server.Write(m.bytes); err != nil {
			return false
		}
	}
}

// cutAt ends the client's connection, before or after the server has heard the
// rest of the group that has the COMMIT.
func (p *Proxy) cutAt(fate Fate, m message, client, server net.Conn) (said bool) {
	if fate == CutBefore {
		return false
	}
	rest := m.bytes
	for m.kind() != syncMessage && m.kind() != queryMessage {
		var err error
		if m, err = readMessage(client, 1); err != nil {
			return false
		}
		rest = append(rest, m.bytes...)
	}
	_ = client.Close()
	if fate == HoldBack {
		<-p.letGo
	}
	_, err := server.Write(rest)
	return err == nil
}

// message is one of the protocol: its kind, its length, its body. The first of
// a connection has no kind.
type message struct{ bytes []byte }

func (m message) kind() byte { return m.bytes[0] }

func readMessage(r io.Reader, kindBytes int) (message, error) {
	head := make([]byte, kindBytes+4)
	if _, err := io.ReadFull(r, head); err != nil {
		return message{}, err
	}
	length := binary.BigEndian.Uint32(head[kindBytes:]) // of itself and the body
	if length < 4 || length > 1<<30 {
		return message{}, errors.New("no message of PostgreSQL")
	}
	whole := append(head, make([]byte, length-4)...)
	_, err := io.ReadFull(r, whole[len(head):])
	return message{whole}, err
}

// cancelCode is in the place of a version in a first message that asks to cancel
// what another connection does.
const cancelCode = 1234<<16 | 5678

func (m message) isCancel() bool {
	return len(m.bytes) >= 8 && binary.BigEndian.Uint32(m.bytes[4:]) == cancelCode
}

// isCommit reports whether the message executes COMMIT, and keeps the texts of
// statements by their names.
func (m message) isCommit(texts map[string]string) bool {
	body := m.bytes[5:]
	word := func() (w string) {
		text, rest, _ := bytes.Cut(body, []byte{0})
		body = rest
		return string(text)
	}
	switch m.kind() {
	case parseMessage:
		name := word()
		texts[name] = word()
	case bindMessage:
		_ = word() // the portal
		return isCommitText(texts[word()])
	case queryMessage:
		return isCommitText(word())
	}
	return false
}

func isCommitText(text string) bool {
	return strings.EqualFold(strings.TrimRight(strings.TrimSpace(text), ";"), "commit")
}
