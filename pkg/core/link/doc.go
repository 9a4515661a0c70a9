// Package link is the bookkeeping of one hop between two tiers: what is owed
// to the peer and what the peer has (Outbox), what has come from a peer
// (Cursor), how much may be sent (Window), when to try again (Backoff), and in
// which version (Negotiate).
//
// It is pure and knows neither messages nor streams, clocks nor randomness. It
// is level-triggered: it holds keys, and whoever sends looks up what is true of
// a key at that moment (architecture section 6).
package link
