// Package lifecycle starts the parts of a process in order and stops them in
// reverse, within one budget; the first part that fails stops all.
//
// It knows no configuration and no signals: cmd tells it by the context.
package lifecycle
