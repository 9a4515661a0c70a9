package obs

import "go.opentelemetry.io/otel/attribute"

// Attributes of spans, the same in all tiers.
const (
	AttrJob     attribute.Key = "ccs.job_id"
	AttrClass   attribute.Key = "ccs.class"
	AttrTargets attribute.Key = "ccs.targets" // how many a job has
	AttrHost    attribute.Key = "ccs.host"
	AttrOrdinal attribute.Key = "ccs.ordinal" // of a task
	AttrAttempt attribute.Key = "ccs.attempt"
	AttrOutcome attribute.Key = "ccs.outcome" // state in which a task settled
	AttrReason  attribute.Key = "ccs.reason"  // of the outcome
)
