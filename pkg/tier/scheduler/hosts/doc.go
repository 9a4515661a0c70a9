// Package hosts is what one scheduler process knows of all hosts: their rows,
// copied from the store, and where each is attached, as the aggregators say.
//
// Every scheduler holds a [Table]; one of them, the owner of the host table,
// also runs a [Writer], through which rows change. Jobs are not known here.
package hosts
