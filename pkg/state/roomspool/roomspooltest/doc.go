// Package roomspooltest is what every room spool must do, whatever it is made of.
package roomspooltest
