package wire

import (
	"time"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// CauseToProto is the wire form of a cause, with its sentence. The sentence is
// made here because every cause that leaves passes here: there is no second
// place that could say it otherwise, no sender can forget it, and the cores stay
// without prose. Its numbers do not travel: programs go by code and times.
func CauseToProto(c job.Cause) *typesv1.Cause { return causeToProto(c, causeText(c)) }

// CausesToProto is the wire form of a chain. What happens at the latest moment is
// said once where several causes have it in common.
func CausesToProto(chain []job.Cause) []*typesv1.Cause {
	out := make([]*typesv1.Cause, len(chain))
	var before job.Cause
	for i, c := range chain {
		said := c
		if c.Until.Equal(before.Until) && c.Then == before.Then {
			said.Until = time.Time{}
		}
		out[i] = causeToProto(c, causeText(said))
		before = c
	}
	return out
}

func causeToProto(c job.Cause, text string) *typesv1.Cause {
	return &typesv1.Cause{
		Code:  typesv1.CauseCode(c.Code),
		Since: TimeToProto(c.Since),
		Until: TimeToProto(c.Until),
		Text:  messageText(text),
	}
}

// CauseFromProto reads the code, the times and the sentence of a cause. A code
// that this version does not know keeps its number; one that cannot be is none.
func CauseFromProto(c *typesv1.Cause) (job.Cause, string) {
	out := job.Cause{Since: TimeFromProto(c.GetSince()), Until: TimeFromProto(c.GetUntil())}
	if n := c.GetCode(); n > 0 && n <= 1<<8-1 {
		out.Code = job.CauseCode(n)
	}
	return out, messageText(c.GetText())
}
