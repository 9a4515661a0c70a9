// Package disk is the room spool in a directory: a log in numbered segments, of
// which every process that starts reads all, and which nobody reads otherwise.
// docs/adr/0013 says why it is neither a tree nor a library.
//
// One commit is one frame: a checksum, and puts and deletes that count together
// or not at all. A frame is synced before its commit returns. What is dead in
// the log is left behind: each commit moves some of what still lives in the
// oldest segment to the end, until that segment can be removed. So deleting
// costs the same however much is held, and the log stays below about twice what
// lives.
//
// What a crash leaves is a log whose last frame is torn. Then everything before
// it is kept, and the spool takes another id, because nobody can tell whether
// the frame had been promised to anybody. Everything else that cannot be read is
// damage: the log is set aside for a person to look at, and an empty one begins.
package disk
