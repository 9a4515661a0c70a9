package executortest

import (
	"errors"
	"testing"

	"github.com/ccs-project/ccs/pkg/tier/agent"
)

// errSeen ends a watch that has seen enough.
var errSeen = errors.New("seen")

// Run runs the suite. open is a new executor with a new state directory, whose
// end the test's cleanup sees to. Commands are such as fakehost.Shell knows.
func Run(t *testing.T, open func(t *testing.T) agent.Executor) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(rig)
	}{
		{"AnExecutorSaysWhoItIs", saysWhoItIs},
		{"SessionNumbersNeverRepeat", sessionNumbers},
		{"ACommandRunsAndItsOutputIsKept", runs},
		{"TheExitStatusIsThatOfTheCommand", exitStatus},
		{"AProgramThatIsNotThereCannotBeStarted", noFile},
		{"AnAttemptIsStartedOnce", startsOnce},
		{"AnAttemptThatComesTooLateExpires", tooLate},
		{"AnAttemptThatCannotFollowIsInvalid", cannotFollow},
		{"ATimeoutEndsTheCommand", timesOut},
		{"OutputPastTheLimitIsCut", outputLimit},
		{"AnOutputIsFollowedToItsEnd", followed},
		{"WhatIsDeclinedIsNeverStarted", declined},
		{"WhatIsStoppedBeforeItCameIsNeverStarted", stoppedBefore},
		{"WhatRunsIsKilledOnRequest", stoppedRunning},
		{"AWishToStopChangesNoOutcome", stoppedTooLate},
		{"WhatIsWithdrawnBeforeItCameIsNeverStarted", withdrawnBefore},
		{"WhatRunsGoesOnWhenItIsWithdrawn", withdrawnTooLate},
		{"OnlyWhatHasEndedIsReleased", releases},
		{"WhatIsPastWIsNotStarted", pastW},
		{"AWatchBeginsWithEverything", watches},
		{"BadRequestsAreRefused", badRequests},
		{"OutputThatIsNotThereIsNotFound", noOutput},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(rig{open(t), t}) })
	}
}
