// Package codec turns jobs, tasks and hosts into what the SQL versions of the
// store (store/sqlite, store/postgres) put into their columns, and back: what
// is read whole and never searched is packed or JSON, output is compressed, a
// time is a number.
//
// It knows no database and decides nothing; the tables, and what has a column
// of its own, are each version's. What it writes is read for as long as
// retention keeps it: a form that changes gets a new number, and the old one
// is still read.
package codec
