// Package telemetry proves that the processes of a cluster can be watched: a job
// is one trace over all tiers, every metric of the table is there with a value
// that is true, and health says what is wrong.
package telemetry
