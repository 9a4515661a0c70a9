// Access is the door.
package main
