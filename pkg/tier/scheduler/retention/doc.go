// Package retention removes from the job store what is not to be kept: jobs that
// were done long enough ago, and the oldest of them while the store holds too
// much. What may go the store decides by the policy (store.Sweep); here is only
// when, how fast, and what people are told. It runs in the scheduler that owns
// the host table, under the epoch of that ownership.
package retention
