package spool

import "time"

// LinkFile is the name in an agent's state directory of what it says of its way
// up, for whoever is logged in on the host. It is a word to a person: nothing
// depends on it, and it may be some seconds old.
const LinkFile = "link"

// Link is what an agent says of its session.
type Link struct {
	Aggregator string    // empty: there is no session
	Address    string    // where that one was dialled
	Since      time.Time // of the session, or of its end
	Heard      time.Time // when the last reply came, by the host's clock; zero: none yet
	ServerTime time.Time // what the clock above said then
	Version    string    // of the agent
}

// Encode is the file's content.
func (l Link) Encode() []byte {
	return newRecord("link").opt("aggregator", l.Aggregator).opt("address", l.Address).when("since", l.Since).
		when("heard", l.Heard).when("server_time", l.ServerTime).opt("version", l.Version).encode()
}

// DecodeLink accepts what Encode makes; ErrDamaged.
func DecodeLink(data []byte) (Link, error) {
	r, err := decode("link", data)
	if err != nil {
		return Link{}, err
	}
	l := Link{
		Aggregator: r.opt("aggregator"), Address: r.opt("address"), Since: r.when("since"),
		Heard: r.when("heard"), ServerTime: r.when("server_time"), Version: r.opt("version"),
	}
	return l, r.done()
}
