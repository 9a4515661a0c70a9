package limits

func processLimits() []Limit {
	return []Limit{
		{"run/obs", "maxWatches", "watches", "health watches of a process", Refused, "RESOURCE_EXHAUSTED", "TestHealthWatchesAreBounded"},
		{"run/obs", "maxWatchesOfOne", "watches", "those of one caller", Refused, "RESOURCE_EXHAUSTED", "TestNobodyTakesAllHealthWatches"},
		{"run/obs", "maxTraceParent", "bytes", "a traceparent", Cut, "what is longer is no trace", "TestATraceTravelsAsTraceparent"},
		{"run/obs/export", "trace.per_second", "traces", "traces that begin in a second", Cut, "the other requests have none", "TestTracesBeginAtALimitedRateHoweverManyRequestsCome"},
		{"run/obs/export", "maxPerSecond", "traces", "what that may be set to", Held, "", "TestAFaultyConfigSaysEveryFault"},
		{"run/obs/export", "maxQueue", "spans", "spans that wait for the collector", Cut, "the newest are dropped: telemetry is no work", "TestACollectorThatIsAwayHoldsNothingUp"},
		{"run/obs/export", "maxSeries", "series", "series of one metric", Cut, "what is above is counted together", "TestTooManySeriesAreCountedTogether"},
		{"run/obs/export", "maxScrapes", "scrapes", "scrapes at a time", Refused, "503", "TestScrapesAtOnceAreBounded"},
		{"cmd/internal/setup", "maxGuests", "connections", "connections to the port of metrics and health", Ended, "who has waited longest without asking", "TestThereAreNeverTooManyAndTheLastOneIsAlwaysIn"},
		{"cmd/internal/setup", "maxPerSource", "connections", "those of one address", Ended, "likewise", "TestThereAreNeverTooManyAndTheLastOneIsAlwaysIn"},
		{"cmd/internal/setup", "maxHeader", "bytes", "the header of a request there", Refused, "431", "TestThePortIsForReadingAndForNothingElse"},
	}
}
