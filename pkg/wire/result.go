package wire

import (
	"fmt"
	"strings"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// MaxMessageText is how long the words of a result may be, in bytes.
const MaxMessageText = 1 << 10

// ResultToProto is the wire form of what a host says of a task.
func ResultToProto(report task.Report, detail job.Detail) *typesv1.TaskResult {
	return &typesv1.TaskResult{
		Status:    StatusToProto(report),
		Outputs:   OutputsToProto(detail.Outputs),
		StartedAt: TimeToProto(detail.StartedAt),
		EndedAt:   TimeToProto(detail.EndedAt),
		Signature: detail.Signature,
		Message:   messageText(detail.Message),
	}
}

// messageText is words as they can travel: one byte that is no UTF-8, or one
// byte too many, would cost the whole message that they ride in.
func messageText(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= MaxMessageText {
		return text
	}
	return strings.ToValidUTF8(text[:MaxMessageText], "")
}

// ResultFromProto reads what a host says of a task; the error wraps ErrMessage.
func ResultFromProto(r *typesv1.TaskResult) (task.Report, job.Detail, error) {
	report, err := StatusFromProto(r.GetStatus())
	if err != nil {
		return task.Report{}, job.Detail{}, err
	}
	outputs, err := OutputsFromProto(r.GetOutputs())
	if err != nil {
		return task.Report{}, job.Detail{}, err
	}
	if n := len(r.GetMessage()); n > MaxMessageText {
		return task.Report{}, job.Detail{}, fmt.Errorf("%w: message of a result has %d bytes, at most %d are taken", ErrMessage, n, MaxMessageText)
	}
	return report, job.Detail{
		Outputs:   outputs,
		StartedAt: TimeFromProto(r.GetStartedAt()),
		EndedAt:   TimeFromProto(r.GetEndedAt()),
		Signature: r.GetSignature(),
		Message:   r.GetMessage(),
	}, nil
}
