package bugs

import "slices"

// Bug is a fault that is planted by name, one at a time.
type Bug struct {
	Name    string
	Where   string  // the package of its line
	In      string  // the package of the test that finds it; empty: the same
	Test    string  // the test; after a slash its subtest
	Promise Promise // that it breaks
}

// Home is the package of the test that finds it.
func (b Bug) Home() string {
	if b.In == "" {
		return b.Where
	}
	return b.In
}

// Promise is a promise of the architecture, section 5.
type Promise string

// The promises, by their numbers.
const (
	NothingLost     Promise = "1 nothing lost"
	NeverTwice      Promise = "2 never twice"
	RolloutExact    Promise = "3 rollout is exact"
	OneOwner        Promise = "4 one owner"
	HostDecides     Promise = "5 the host decides"
	ByteExact       Promise = "6 byte-exact"
	Isolated        Promise = "7 isolated"
	Bounded         Promise = "8 bounded"
	DegradesInOrder Promise = "9 degrades in order"
)

// List is every bug that can be planted in the shells.
func List() []Bug {
	return slices.Concat(ofStores(), ofSchedulers(), ofAggregators(), ofAgents(), ofExecutors(), ofHosts())
}

const (
	sqlite     = "pkg/state/store/sqlite"
	scheduler  = "pkg/tier/scheduler"
	commit     = scheduler + "/commit"
	charge     = scheduler + "/charge"
	shard      = scheduler + "/shard"
	aggregator = "pkg/tier/aggregator"
	agent      = "pkg/tier/agent"
	capsule    = "pkg/trust/capsule"
	policy     = "pkg/trust/policy"
	executor   = "pkg/tier/executor"
	endprocess = "pkg/tier/endprocess"
	spool      = "pkg/host/spool"
	proc       = "pkg/host/proc"
)

func ofStores() []Bug {
	return []Bug{
		{"stale epoch accepted", sqlite, "", "TestASecondProcessTakesAShardOverFromOneThatIsStillWriting", OneOwner},
		{"a claim does not raise the epoch", sqlite, "", "TestASecondProcessTakesAShardOverFromOneThatIsStillWriting", OneOwner},
		{"a batch said again counts as new", sqlite, "", "TestTheSQLiteStoreIsAJobStore/owning/a_batch_that_is_sent_again_is_applied_once", NothingLost},
	}
}

func ofSchedulers() []Bug {
	return []Bug{
		{"a commit that failed counts as made", commit, scheduler, "TestWithoutTheStoreNothingIsAcceptedAndNothingForgotten", NothingLost},
		{"owners stop without etcd", charge, scheduler, "TestLosingTheCoordinationServiceStopsNoOwner", DegradesInOrder},
		{"send before persist", shard, "", "TestAReleaseThatIsNotDurableIsNotSent", RolloutExact},
		{"Forget before commit", shard, scheduler, "TestWithoutTheStoreNothingIsAcceptedAndNothingForgotten", NothingLost},
		{"ownership is not proven", shard, "", "TestAnOwnerWithNothingToWriteLearnsThatItOwnsNothingAnyMore", OneOwner},
		{"a fenced owner claims again", shard, "", "TestAnOwnerWithNothingToWriteLearnsThatItOwnsNothingAnyMore", OneOwner},
		{"strays are not asked again", shard, "", "TestHostsThatSpokeOfAJobBeforeItWasThereAreAskedAgain", NothingLost},
		{"unread is unheard", shard, scheduler, "TestALateOutcomeIsTakenInTheEndWhateverFailsAtFirst", NothingLost},
		{"what is accepted here has no history", shard, "", "TestPastWIsCertainOnlyUnderTheGenerationThatReleased", NothingLost},
		{"a job that is done is not stopped", shard, "", "TestWhatRunsOfAJobThatIsDoneIsStoppedAtItsDeadline", NothingLost},
		{"a poisoned job is not set aside", shard, "", "TestAJobWhoseBatchIsImpossibleIsSetAside", Isolated},
	}
}

func ofAggregators() []Bug {
	return []Bug{
		{"outcomes are not said again", aggregator, "", "TestOutcomesGoUpAgainWhenTheirHostIsBack", NothingLost},
		{"incarnation ignored at dispatch", aggregator, "", "TestAReleaseForAnotherIncarnationComesBack", NothingLost},
		{"spool id kept over a restart", aggregator, "", "TestAReconnectionToAnotherSpoolSaysEverythingAgain", NothingLost},
		{"an older owner is heard", aggregator, "", "TestATakeOverBringsEverythingToTheNewOwner", OneOwner},
		{"Have taken for Forget", aggregator, "", "TestATakeOverBringsEverythingToTheNewOwner", NothingLost},
		{"reports without credit are taken", aggregator, "", "TestAHostThatSendsMoreThanItsCreditIsEnded", Bounded},
		{"last write wins", aggregator, "", "TestOnlyWhatGrewGoesUp", NothingLost},
		{"a host may speak for another", aggregator, "", "TestAHostSpeaksForItselfAlone", HostDecides},
		{"session counter going back accepted", aggregator, "", "TestASessionCounterThatGoesBackIsRefused", NeverTwice},
	}
}

func ofAgents() []Bug {
	return []Bug{
		{"what runs may be forgotten", agent, "", "TestAForgetOfWhatHasNotEndedIsIgnoredAndTold", NothingLost},
		{"a retry runs beside its parent", agent, "", "TestARetryIsRefusedWhileItsParentLives", NeverTwice},
		{"what was forgotten is not said", agent, "", "TestWhatTheExecutorWasLetForgetIsSaidSo", NothingLost},
		{"a stop before the start is not kept", agent, "", "TestAStopWhileTheExecutorIsAwayIsNotForgotten", RolloutExact},
		{"a stale bundle is believed", agent, "", "TestAHostWithoutABundleRefuses", HostDecides},
		{"target not proven", agent, "", "TestAHostStartsOnlyWhatItHasItselfVerified", HostDecides},
		{"one capsule serves every job", agent, "", "TestAHostStartsOnlyWhatItHasItselfVerified", NeverTwice},
		{"signature not verified", capsule, agent, "TestAHostStartsOnlyWhatItHasItselfVerified", HostDecides},
		{"not-before not looked at", capsule, agent, "TestAHostStartsOnlyWhatItHasItselfVerified", HostDecides},
		{"an older bundle is taken", policy, agent, "TestAnOlderBundleIsNeverTaken", HostDecides},
	}
}

func ofExecutors() []Bug {
	return []Bug{
		{"no re-adoption", executor, "", "TestACommandOutlivesItsExecutor", NothingLost},
		{"a damaged record counts as none", executor, "", "TestADamagedRecordOfTheAttemptIsTakenForAStart", NeverTwice},
		{"lost while its tree lives", executor, "", "TestTheExecutorTakesOverFromADeadEndProcessAndLearnsTheStatus", NeverTwice},
		{"a successor does not ask why it ends", executor, "", "TestWhatWasToldToEndIsNotTakenForAFailureOfItsOwn", NothingLost},
		{"purged by its own clock alone", executor, "", "TestATombstoneGoesOnlyPastEByBothClocksAndThenWSpeaks", NeverTwice},
		{"accepted without the disk", executor, "", "TestAFullDiskRefusesStartsAndHarmsNothingElse", NothingLost},
		{"cancel without the record", executor, "", "TestAStopEndsTheWholeTreeOfARunningCommand", NothingLost},
		{"old end-processes are not waited for", executor, "", "TestANewStateDirectoryStartsNothingWhileTheOldOnesProcessesRun", NeverTwice},
		{"start-by not looked at", endprocess, "", "TestNothingStartsAfterTheStartBy", NeverTwice},
	}
}

func ofHosts() []Bug {
	return []Bug{
		{"claim not exclusive", spool, endprocess, "TestOfManyEndProcessesOnOneAttemptExactlyOneRunsIt", NeverTwice},
		{"an attempt without a loss before it", spool, endprocess, "TestASecondAttemptNeedsALossBeforeIt", NeverTwice},
		{"the wish to stop is not looked at", spool, endprocess, "TestAWishToStopIsFoundBeforeTheStart", RolloutExact},
		{"no tombstone", spool, executor, "TestAReleasedCommandIsRememberedAndNotStartedAgain", NeverTwice},
		{"tombstone not synced", spool, "", "TestAReleaseOrAPurgeThatCouldNotBeSyncedHasNotHappened", NeverTwice},
		{"W not kept", spool, executor, "TestATombstoneGoesOnlyPastEByBothClocksAndThenWSpeaks", NeverTwice},
		{"a refusal leaves no record", spool, executor, "TestADeclinedCommandIsRecordedAndNeverStarted", NeverTwice},
		{"a successor drains from the beginning", spool, endprocess, "TestASuccessorGoesOnWhereTheDrainStopped", ByteExact},
		{"what is cut is not counted", spool, endprocess, "TestFiveMegabytesAreCutAtTheLimitAndTheRestIsCounted", ByteExact},
		{"a process is known by its pid alone", proc, "", "TestAPidAloneIsNotAnIdentity", NeverTwice},
	}
}
