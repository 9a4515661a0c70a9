// Package aggregator is the middle of the way between schedulers and the hosts
// of one room: it holds the hosts' sessions, passes releases and wishes down and
// reports up, each once and at once, and says who is here.
//
// It decides nothing. All that it holds is a cache between two durable ends, the
// store and the hosts' disks. What a process that dies would leave undone is also
// on its disk, the room spool: releases on their way, wishes, and reports, which a
// host is told to be had only once they are there. If the disk is lost too, the
// spool has another id, hosts say everything again, and schedulers ask for what
// they miss (architecture section 6). It never makes a Forget of its own.
package aggregator
