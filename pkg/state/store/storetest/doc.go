// Package storetest is the one suite that every version of the job store
// passes. What a scheduler may rely on is written here as tests; what only one
// version promises (crashes, several processes) is tested beside that version.
package storetest
