package agent

// taken says which replies have been taken over: whose commands are all in the
// cache, or further. The zero value has seen none. Not safe for concurrent use.
type taken struct {
	last uint64
	open []openReply // ascending; the first has something left
}

type openReply struct {
	number uint64
	left   int
}

// arrived notes a reply; numbers ascend.
func (t *taken) arrived(number uint64, commands int) {
	t.last = number
	if commands > 0 {
		t.open = append(t.open, openReply{number, commands})
	}
}

// done notes that one command of a reply has been taken over.
func (t *taken) done(number uint64) {
	for i := range t.open {
		if t.open[i].number == number && t.open[i].left > 0 {
			t.open[i].left--
			break
		}
	}
	for len(t.open) > 0 && t.open[0].left == 0 {
		t.open = t.open[1:]
	}
}

// have is the number up to which every reply has been taken over.
func (t *taken) have() uint64 {
	if len(t.open) > 0 {
		return t.open[0].number - 1
	}
	return t.last
}
