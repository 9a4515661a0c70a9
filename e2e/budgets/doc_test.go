// Package budgets measures the built programs of a host beside what they may
// take: memory, wake-ups, size, imports, and time.
package budgets
