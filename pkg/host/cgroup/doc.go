// Package cgroup is what the host side knows about control groups: where a
// host lets it make them, one group for each attempt of a command, what such a
// group limits, who is in it, and how it is ended as a whole.
//
// Both versions of the kernel's interface are served, also side by side as on
// hosts that systemd calls hybrid: limits by the hierarchies of version 1, the
// end by version 2. A process is born in its group; it is never moved there, so
// there is no moment at which it is outside.
//
// The package decides nothing about commands and signals nobody: what a group
// cannot end at once is ended by package proc. It mounts nothing, changes no
// group that it has not made, and moves no process.
package cgroup
