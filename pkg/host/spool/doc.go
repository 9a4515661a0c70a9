// Package spool is the host's disk: the layout that the executor and the
// end-processes share, and the order in which it is written.
//
//	<state_dir>/
//	    lock             held by the one executor; its pid
//	    incarnation      made with the directory
//	    sessions         the next session number
//	    watermark        W: the greatest remember-until that was purged
//	    bell             FIFO: an end-process names a command that has news
//	    commands/<id>/   one directory per command
//	        script stdin       bytes, synced before spec
//	        spec               what to run, and twice whose it is; its existence is the command's
//	        accept.N           attempt N > 1 was accepted
//	        stop               the wish to stop; its existence is the wish
//	        attempt.N          who decided what attempt N is: this alone is "never twice"
//	        run.N              the leader of the running attempt
//	        overdue.N          the time is up and is only reported
//	        exit.N             the outcome of attempt N
//	        stdout.N stderr.N  the head of the output; .fifo: how it comes
//	          .at.O            a segment of its tail, whose first byte is at offset O of the output
//	          .cut             the disk was full: bytes written after the head, and not kept
//	        digest.N           hashes of the kept output; a cache
//	    tombs/<id>       what is remembered without a directory; twice in one file
//	    damaged/         what could not be read, for a person to look at
//
// Records are lines of key="quoted value" with a checksum in the last line. A
// record that is not exactly what this package writes is damaged and never
// believed; that it exists still counts, where existence decides.
//
// The package decides nothing: it knows no state machine, no process and no
// caller. It is not safe for two writers but where it says so (Decide).
package spool
