package limits

func aggregatorLimits() []Limit {
	return []Limit{
		{"tier/aggregator", "max_sessions", "hosts", "sessions", Refused, "UNAVAILABLE with when to come again; another aggregator is tried", "TestAFullAggregatorSendsHostsElsewhere"},
		{"tier/aggregator", "admit_per_second", "sessions", "new sessions in a second", Refused, "UNAVAILABLE with when to come again", "TestNewSessionsAreAdmittedAtABoundedRate"},
		{"tier/aggregator", "mostRetry", "", "the wait that a host is told", Cut, "", "TestAHerdIsSpreadOverTheTimeThatItNeeds"},
		{"tier/aggregator", "mostConnections", "connections", "connections of one host", Ended, "the oldest is", "TestOneHostHasAFewConnectionsAndTheNewestLast"},
		{"tier/aggregator", "missed_heartbeats", "intervals", "silence of a host", Ended, "its session is; it opens another", "TestAHostThatIsSilentForThreeIntervalsIsAway"},
		{"tier/aggregator", "send_timeout", "", "the time for one message to a host or scheduler to leave", Ended, "its session or stream is", "TestAnAgentThatReadsNothingHoldsABoundedPartAndIsEnded"},
		{"tier/aggregator", "max_tasks", "tasks", "releases on their way down and reports that wait for their Forget; each class has a share", Waits, "credit is withheld", "TestAtTheLimitCreditIsWithheldAndGivenLater"},
		{"tier/aggregator", "mostShares", "classes", "classes with a share of their own", Cut, "the others have one together", "TestInventedClassesShareWhatIsForOthers"},
		{"tier/aggregator", "mostHostTasks", "tasks", "tasks of one host", Waits, "its credit is withheld", "TestAHostWithTooManyTasksIsGivenNoMoreCreditUntilSomeAreForgotten"},
		{"tier/aggregator", "report_window", "reports", "reports of one class that a host may send ahead", Waits, "who sends more is ended", "TestAHostThatSendsMoreThanItsCreditIsEnded"},
		{"tier/aggregator", "release_window", "releases", "releases of one class that a scheduler may send ahead", Waits, "", "TestAnAgentThatReadsNothingHoldsABoundedPartAndIsEnded"},
		{"tier/aggregator", "blob_bytes", "bytes", "outputs that wait for their Forget; each class has a share", Waits, "uploads are given no credit", "TestAtTheLimitOutputsWaitUntilSomeAreForgotten"},
		{"tier/aggregator", "mostHostBytes", "bytes", "outputs of one host and class", Renewed, "those that no report names go first", "TestOneHostThatReportsNoneOfItsOutputsTakesLittle"},
		{"tier/aggregator", "mostPayloadBytes", "bytes", "capsules and target lists", Renewed, "a release is left out, and made again by the pull", "TestAPayloadForWhichThereIsNoRoomIsTakenLaterAndItsReleasesWithIt"},
		{"tier/aggregator", "mostRanges", "runs", "runs of one job's targets", Renewed, "the oldest is asked for again", "TestTheRunsOfOneJobAreBoundedAndTheOldestIsAskedForAgain"},
		{"tier/aggregator", "mostForgets", "jobs", "Forgets that wait for one host", Renewed, "the host is asked for everything, and they are made again", "TestForgetsThatWaitForOneHostAreBoundedAndNoneIsMissed"},
		{"tier/aggregator", "mostQuestions", "questions", "questions that wait until one host has said everything", Renewed, "they are asked again by the pull", "TestQuestionsThatComeTooEarlyAreBounded"},
		{"tier/aggregator", "mostAllQuestions", "questions", "those of all hosts", Renewed, "likewise", "TestQuestionsThatComeTooEarlyAreBounded"},
		{"tier/aggregator", "mostClasses", "classes", "classes of one stream or session", Cut, "what is above shares one", "TestAHostThatInventsClassesShutsOutNobody"},
		{"tier/aggregator", "mostWindow", "messages", "what a peer can grant of a class at most", Cut, "", "core/link.TestAPeerThatGrantsTooMuchIsHeldToTheLimit"},
		{"tier/aggregator", "mostLeftOver", "entries", "entries of a host's queue that are no longer wanted", Cut, "", "TestAQueueOfAHostWithoutCreditStaysInProportionToItsReleases"},
		{"tier/aggregator", "mostReturns", "tasks", "tasks in one message of returns", Parts, "", "TestReturnsComeInPieces"},
		{"tier/aggregator", "batchReports", "reports", "reports in one batch", Parts, "", "TestBatchesStayWithinTheirBounds"},
		{"tier/aggregator", "replyBytes", "bytes", "one reply to a host", Parts, "", "TestManyLargeCommandsFitTheirMessages"},
		{"tier/aggregator", "rememberNumbers", "incarnations", "incarnations of a host whose session number is remembered", Renewed, "", "TestWhatIsRememberedOfHostsIsBounded"},
		{"tier/aggregator", "sessionMessage", "bytes", "one message of a host", Ended, "its session is, with RESOURCE_EXHAUSTED", "TestAMessageThatIsTooLargeEndsItsSenderAlone"},
		{"tier/aggregator", "meshMessage", "bytes", "one message of a scheduler", Ended, "its stream is, with RESOURCE_EXHAUSTED", "TestAMessageThatIsTooLargeEndsItsSenderAlone"},
		{"cmd/aggregator", "spool_bytes", "bytes", "the room spool on the disk", Waits, "credit is withheld, and the process is not ready; what is there is kept", "tier/aggregator.TestAtItsQuotaTheSpoolTakesMoreOnceSomethingIsForgotten"},
		{"state/roomspool", "MaxKey", "bytes", "one key of the spool", Refused, "a fault of the program", "state/roomspool/memory.TestMemoryIsARoomSpool"},
		{"state/roomspool", "MaxValue", "bytes", "one value of the spool", Refused, "a fault of the program", "state/roomspool/memory.TestMemoryIsARoomSpool"},
		{"state/roomspool", "MaxCommit", "bytes", "one commit to the spool", Refused, "a fault of the program", "state/roomspool/memory.TestMemoryIsARoomSpool"},
	}
}

func hostLimits() []Limit {
	return []Limit{
		{"tier/agent", "commandWindow", "commands", "commands of one class that are sent ahead to a host", Waits, "", "tier/aggregator.TestClassesTakeTurnsWithinTheHostsWindow"},
		{"tier/agent", "mostCached", "commands", "commands that are acknowledged while the executor is away", Waits, "the window closes; none is lost", "TestAHostWhoseExecutorIsAwayTakesABoundedNumberOfCommands"},
		{"tier/agent", "mostCredit", "reports", "what an aggregator can grant of a class at most", Cut, "", "core/link.TestAPeerThatGrantsTooMuchIsHeldToTheLimit"},
		{"tier/agent", "mostInterval", "", "the interval of heartbeats that an aggregator may set", Cut, "", "TestAnIntervalIsKeptWithinBounds"},
		{"tier/agent", "maxMessage", "bytes", "one message of an aggregator", Ended, "the session is; another one is opened", "TestAReplyThatIsTooLargeEndsTheSession"},
		{"tier/agent", "reportBytes", "bytes", "one heartbeat", Parts, "", "TestReportsKeepWithinTheWindowAndTheMessage"},
		{"tier/agent", "maxFact", "bytes", "one fact of a host", Cut, "", "TestAHostSaysWhatItIs"},
		{"tier/agent", "maxRouteName", "bytes", "a pool or class in the record of a command", Cut, "", "TestNamesThatAreTooLongForATicketAreCutBetweenCharacters"},
		{"tier/agent", "maxSocketPath", "bytes", "the path of the executor's socket", Held, "", "TestAConfigurationSaysAllItsFaultsAtOnce"},
		{"tier/executor", "slots", "commands", "commands of one slot group that run", Waits, "in their order", "TestSlotsHoldBackWhatIsTooMuchAndKeepTheOrder"},
		{"tier/executor", "slots_total", "commands", "commands of all slot groups together that run", Waits, "the group of which least runs comes first", "TestOneClassCannotFillAHostAndAllTogetherHaveALimit"},
		{"tier/executor", "max_records", "commands", "commands that are remembered, tombstones included", Refused, "BUSY, which is no outcome: it comes again", "TestWithNoRoomForAnotherRecordTheAnswerIsBusy"},
		{"tier/executor", "maxSessions", "numbers", "session numbers that are reserved at once", Refused, "INVALID_ARGUMENT", "TestSessionNumbersNeverRepeat"},
		{"host/spool", "DefaultKept", "bytes", "what is kept of an output, unless the user says otherwise", Cut, "and said so, with how much", "tier/endprocess.TestFiveMegabytesAreCutAtTheLimitAndTheRestIsCounted"},
		{"host/spool", "maxSpec", "bytes", "one specification on the host's disk", Refused, "", "TestWhatIsAcceptedCanBeReadAgain"},
	}
}
