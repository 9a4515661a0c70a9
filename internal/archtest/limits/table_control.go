package limits

func accessLimits() []Limit {
	return []Limit{
		{"tier/access", "route_wait", "", "the wait of a call for an owner of its job's shard", Refused, "UNAVAILABLE, try again", "TestWithoutAnOwnerTheCallIsUnavailableInTime"},
		{"tier/access", "maxViewers", "streams", "watches, outputs, target lists and submissions of users at a replica; of one user half", Refused, "UNAVAILABLE with when to come again", "TestViewersAreBoundedAndOneUserHasHalf"},
		{"tier/access", "viewerTimeout", "", "the time for one message of a stream to be taken", Ended, "UNAVAILABLE; a watch goes on from its revision", "TestAViewerThatReadsNothingIsSentAwayAndSlowsNobody"},
		{"tier/access", "streamWindow", "bytes", "what is taken of one stream and not passed on", Waits, "", "TestAViewerThatReadsNothingIsSentAwayAndSlowsNobody"},
		{"tier/access", "maxStreams", "calls", "calls at a time on one connection", Waits, "at the client", "TestCallsBeyondThoseOfAConnectionWaitForTheirTurn"},
		{"tier/access", "maxMessage", "bytes", "one message of a user", Refused, "RESOURCE_EXHAUSTED", "TestAMessageOfAUserThatIsTooLargeIsRefusedAndTheNextIsTaken"},
		{"tier/access", "maxPools", "jobs", "jobs whose pool is remembered", Renewed, "the older half is asked for again", "TestTheCacheOfPoolsIsBoundedAndKeepsTheYoungest"},
	}
}

func schedulerLimits() []Limit {
	return []Limit{
		{"tier/scheduler", "answer_budget", "", "the wait of a call for a shard, and so for the store, or for room", Refused, "UNAVAILABLE with when to come again", "TestWhoReadsNoneOfHisOutputsHoldsABoundedPartOfThemForAWhile"},
		{"tier/scheduler", "submit_budget", "", "the time of a submission to come in whole", Refused, "UNAVAILABLE with when to come again", "TestSubmissionsThatStallHoldUpNobodyAndAreGivenUp"},
		{"tier/scheduler", "resolution_max_age", "", "the age of a target list when its job is submitted", Refused, "FAILED_PRECONDITION: resolve again", "TestAListThatWasResolvedTooLongAgoIsRefused"},
		{"tier/scheduler", "trace.tasks", "tasks", "tasks of one job that have spans", Cut, "the others have none", "tier/scheduler/shard.TestTheFirstTasksOfATracedJobHaveASpanOfTheirRelease"},
		{"tier/scheduler", "maxMessage", "bytes", "one message to a scheduler", Refused, "RESOURCE_EXHAUSTED", "TestAMessageThatIsTooLargeIsRefusedAndTheNextIsTaken"},
		{"tier/scheduler", "maxComing", "lists", "submissions of one user that are coming in", Refused, "UNAVAILABLE with when to come again", "TestSubmissionsThatStallHoldUpNobodyAndAreGivenUp"},
		{"tier/scheduler", "roomOfSmall", "targets", "target lists of up to 10,000 that are coming in; of one user half", Waits, "until submit_budget", "TestOneUserDoesNotFillTheIntake"},
		{"tier/scheduler", "roomOfLarge", "targets", "larger target lists that are coming in; of one user half", Waits, "until submit_budget", "TestListsThatHaveComeInPartDoNotWaitForOneAnotherForEver"},
		{"tier/scheduler", "maxFollows", "outputs", "outputs that are followed; of one user half", Refused, "UNAVAILABLE with when to come again", "TestFollowersAreBoundedAndOneUserTakesHalf"},
		{"tier/scheduler", "maxWatches", "watches", "watches of jobs; of one user half", Refused, "UNAVAILABLE with when to come again", "TestWatchesAreBoundedAndOneUserTakesHalf"},
		{"tier/scheduler", "watchedTasks", "tasks", "tasks in one message of a watch", Parts, "", "TestAWatchThatIsNotReadIsEndedAndSlowsNobody"},
		{"tier/scheduler", "viewerTimeout", "", "the time for one message to a viewer to be taken", Ended, "UNAVAILABLE; a watch goes on from its revision", "TestAWatchThatIsNotReadIsEndedAndSlowsNobody"},
		{"tier/scheduler", "maxReading", "bytes", "outputs and target lists held for who reads them; of one user half", Waits, "until answer_budget, then UNAVAILABLE", "TestWhoReadsNoneOfHisOutputsHoldsABoundedPartOfThemForAWhile"},
		{"tier/scheduler", "pieceOfOutput", "bytes", "an output in one message", Parts, "", "TestWhoReadsNoneOfHisOutputsHoldsABoundedPartOfThemForAWhile"},
		{"tier/scheduler", "mostReaders", "calls", "calls at a time that read all of a job", Waits, "a minute, then UNAVAILABLE", "TestCallsThatReadAllOfAJobWaitForOneAnotherAndForNothingElse"},
		{"tier/scheduler", "mostAncestors", "jobs", "how far back the retry of a retry is followed", Cut, "", "TestARetryOfARetryIsFollowedOnlySoFarBack"},
		{"tier/scheduler", "maxOutput", "bytes", "one output", Refused, "the report is left out and logged; hosts cut before", "TestAReportThatNamesMoreThanAnOutputMayHaveIsLeftOutAlone"},
		{"tier/scheduler", "maxFetching", "bytes", "outputs that are being fetched from aggregators", Waits, "", "TestOutputsOfManyRoomsAreFetchedUpToALimitTogether"},
		{"tier/scheduler", "maxFromOne", "bytes", "of them from one aggregator", Waits, "", "TestASlowRoomHoldsUpTheReportsOfNoOther"},
		{"tier/scheduler", "maxWaiting", "reports", "reports of one aggregator that wait for their outputs", Waits, "its stream is not read", "TestAnAggregatorWithTooManyReportsThatWaitIsMadeToWait"},
		{"tier/scheduler", "maxCommandLine", "characters", "the command of a job in lists", Cut, "", "TestACommandIsShownInOneLineWithoutItsScript"},
		{"tier/scheduler", "maxSettingsLine", "characters", "how a command is run, as it is shown", Cut, "", "TestALineOfSettingsIsShort"},
		{"tier/scheduler", "maxNames", "names", "names of an environment that are shown", Cut, "the others are counted", "TestALineOfSettingsIsShort"},
		{"tier/scheduler", "maxNameText", "characters", "each of them", Cut, "", "TestALineOfSettingsIsShort"},
		{"tier/scheduler/shard", "maxLive", "jobs", "live jobs of a shard", Refused, "RESOURCE_EXHAUSTED", "TestAShardThatIsFullRefusesAJobAndKeepsThoseThatItHas"},
		{"tier/scheduler/shard", "queueLen", "events", "events that wait for a shard", Waits, "until answer_budget; an aggregator's stream is not read", "TestWhoBringsMoreThanAShardTakesWaitsAndNothingIsLost"},
		{"tier/scheduler/shard", "roundEvents", "events", "events of one round, that are written together", Parts, "", "TestWhoBringsMoreThanAShardTakesWaitsAndNothingIsLost"},
		{"tier/scheduler/shard", "maxDone", "jobs", "jobs that are done and still in memory", Renewed, "they are read from the store", "TestJobsThatAreDoneDoNotFillTheMemory"},
		{"tier/scheduler/shard", "maxUnknown", "ids", "jobs of which hosts speak and that are not in the store", Renewed, "who is asked of a job again is asked once more", "TestHostsAreAskedAgainHoweverManyJobsWereLost"},
		{"tier/scheduler/shard", "maxAgain", "hosts", "hosts that are to be asked again", Renewed, "the shard begins anew, and all are asked", "TestWhenTooManyAreToBeAskedAgainEverybodyIs"},
		{"tier/scheduler/commit", "maxGroupBytes", "bytes", "what goes into one transaction", Parts, "a single batch may be larger", "TestAGroupIsBoundedInBytesAndNothingIsLeftOut"},
		{"tier/scheduler/hosts", "maxRows", "hosts", "rows of the host table in one transaction", Parts, "", "TestHostsThatEnrolAtOnceAreWrittenInBoundedBatches"},
		{"tier/scheduler/summary", "Most", "tasks", "slowest and silent tasks of a summary", Cut, "all are counted", "TestASummaryIsWhatSortingEverythingGives"},
		{"tier/scheduler/summary", "MostGroups", "groups", "groups of equal results", Cut, "all are counted", "TestASummaryIsWhatSortingEverythingGives"},
		{"tier/scheduler/summary", "MostHosts", "hosts", "hosts that a group names", Cut, "all are counted", "TestASummaryIsWhatSortingEverythingGives"},
		{"tier/scheduler", "retention.age", "", "how long a job that is done is kept", Removed, "its id stays refused", "tier/scheduler/retention.TestAJobGoesWhenItsAgeHasComeAndItsIDLater"},
		{"tier/scheduler", "retention.ids", "", "how long it is known when a job was removed", Removed, "", "tier/scheduler/retention.TestAJobGoesWhenItsAgeHasComeAndItsIDLater"},
		{"tier/scheduler", "retention.bytes", "bytes", "the job store", Removed, "jobs that are done, down to what was done in the last hour (retention.least)", "tier/scheduler/retention.TestAStoreThatHoldsTooMuchIsEmptiedDownToWhatItMayHold"},
		{"tier/scheduler/shard", "maxPurged", "ids", "jobs that retention has removed and of which hosts speak", Renewed, "the store is asked again", "TestWhatIsRememberedOfJobsThatAreGoneIsBounded"},
		{"state/store", "MaxPage", "rows", "one page of a list", Parts, "", "state/store/memory.TestTheMemoryStoreIsAJobStore"},
		{"state/store/codec", "maxOutput", "bytes", "an output as it is read from the store", Refused, "it is said to be damaged", "TestDamagedOutputIsAnErrorAndTakesNoMemory"},
		{"state/store/postgres", "store.busy_timeout", "", "the wait for PostgreSQL: for a connection, and for a lock of another", Refused, "UNAVAILABLE; the same batch is tried again", "TestAServerThatDoesNotAnswerIsNotWaitedForForEver"},
		{"state/store/sqlite", "store.busy_timeout", "", "the wait of a write to SQLite for another process", Refused, "UNAVAILABLE; the same batch is tried again", "TestWhileOneWritesOthersReadAndAnotherProcessWaitsForItsTurn"},
		{"state/store/sqlite", "store.readers", "connections", "reads of SQLite at a time", Waits, "", "TestMoreReadersThanConnectionsWaitForTheirTurn"},
	}
}

func meshLimits() []Limit {
	return []Limit{
		{"tier/scheduler/mesh", "maxOwed", "entries", "releases, stops and questions that wait for one aggregator", Renewed, "left out, and made again by the pull; Forgets are always taken", "TestAQueueTakesWhatThePullSaysAgainOnlyUpToItsLimit"},
		{"tier/scheduler/mesh", "sendTimeout", "", "the time for one message to an aggregator to leave", Ended, "its stream is; what is owed is asked on the next", "TestAnAggregatorThatReadsNothingHoldsABoundedPartAndIsGivenUp"},
		{"tier/scheduler/mesh", "maxStrays", "Forgets", "Forgets for jobs that are gone, that wait for one aggregator", Renewed, "left out, and made when the host says it again", "TestForgetsForJobsThatAreGoneAreBoundedAndGoInPieces"},
		{"tier/scheduler/mesh", "maxWindow", "releases", "what an aggregator can grant of a class at most", Cut, "", "core/link.TestAPeerThatGrantsTooMuchIsHeldToTheLimit"},
		{"tier/scheduler/mesh", "maxClasses", "classes", "classes in which one aggregator reports", Ended, "its stream is", "TestAnAggregatorThatInventsClassesIsNotFollowed"},
		{"tier/scheduler/mesh", "maxReleases", "tasks", "tasks in one dispatch, wish or question", Parts, "", "TestASmallJobDoesNotWaitForALargeOne"},
		{"tier/scheduler/mesh", "maxChunk", "targets", "targets in one payload", Parts, "", "TestALargeRoomIsSentInChunks"},
		{"tier/scheduler/mesh", "maxKnownPayload", "payloads", "payloads that are known to have been sent on a stream", Renewed, "the older half is sent again", "TestWhatWasSentIsRememberedUpToALimitAndTheYoungestLongest"},
		{"tier/scheduler/mesh", "maxMessage", "bytes", "one message of an aggregator", Ended, "its stream is", "TestAMessageOfAnAggregatorThatIsTooLargeEndsItsStream"},
		{"tier/scheduler/mesh", "maxBlob", "bytes", "one output that is fetched", Refused, "", "TestAnOutputThatIsLargerThanAnyIsNotFetched"},
	}
}

func issuerLimits() []Limit {
	return []Limit{
		{"tier/issuer", "register_wait", "", "the wait of an enrolment for an owner of the host table", Refused, "UNAVAILABLE; the host asks again with the same key", "TestWithoutAnOwnerOfTheHostTableTheHostIsToldToTryAgain"},
		{"tier/issuer", "maxMessage", "bytes", "one message to an issuer", Refused, "RESOURCE_EXHAUSTED", "TestARequestThatIsTooLargeIsRefusedAndUsesNoToken"},
		{"tier/issuer", "maxTTL", "", "the life of a certificate", Held, "", "TestTheConfigurationListsEveryFault"},
	}
}
