package sim

// Bug is a fault that is planted by name, one at a time, to show that the
// promises are looked at: in a shipped core, or in the order of steps of a tier
// as it is written down here.
type Bug struct {
	Name  string
	Where string // the package whose line is broken; sim: the order of steps of a tier
}

// Bugs is every bug that can be planted. Each is one marked place in the code,
// and nothing of it is left in a build without the tag "planted".
func Bugs() []Bug {
	return []Bug{
		{"send before persist", "sim"},
		{"forget before commit", "sim"},
		{"stale epoch accepted", "sim"},
		{"ownership is not proven", "sim"},
		{"what is accepted here has no history", "sim"},
		{"strays are not asked again", "sim"},
		{"unread is unheard", "sim"},
		{"outcomes are not said again", "sim"},
		{"cursor kept over streams", "sim"},
		{"start-by not looked at", "sim"},
		{"no re-adoption", "sim"},
		{"cancel without the record", "sim"},
		{"claim not exclusive", "sim"},
		{"no tombstone", "sim"},
		{"what was forgotten is not said", "sim"},
		{"tombstone not synced", "sim"},
		{"W not kept", "sim"},
		{"credit is not given back", "sim"},
		{"a retry does not look at its parent", "sim"},

		{"rerun without LOST", "core/task"},
		{"what is withdrawn is killed", "core/task"},

		{"a begun attempt counts as not started", "core/adopt"},
		{"unclear counts as dead", "core/adopt"},

		{"no resync on a new spool", "core/link"},
		{"Have taken for Forget", "core/link"},
		{"what was in flight counts as had", "core/link"},
		{"a gap counts as none", "core/link"},
		{"credit is not looked at", "core/link"},
		{"credit is lost", "core/link"},

		{"concurrency off by one", "core/job"},
		{"pause point off by one", "core/job"},
		{"a pause holds nothing back", "core/job"},
		{"not-before is not looked at", "core/job"},
		{"who comes back is not released", "core/job"},
		{"budget checked after release", "core/job"},
		{"barrier off by one", "core/job"},
		{"barrier does not wait for what runs", "core/job"},
		{"batch passed with nothing settled", "core/job"},
		{"batch passes who is not known to be away", "core/job"},
		{"away hosts are excused at once", "core/job"},
		{"away hosts take a slot", "core/job"},
		{"an automatic pause keeps the control revision", "core/job"},
		{"an outcome resumes", "core/job"},
		{"resume repeated", "core/job"},
		{"pause point lost on take-over", "core/job"},
		{"forgiven lost on take-over", "core/job"},
		{"requests lost on take-over", "core/job"},
		{"settle-by ignored", "core/job"},
		{"given up before the settle-by", "core/job"},
		{"nothing is stopped at the deadline", "core/job"},
		{"a stop is not said", "core/job"},
		{"one attempt too many", "core/job"},
		{"NotKnown changes nothing", "core/job"},
		{"incarnation ignored", "core/job"},
		{"conclusions stand", "core/job"},
		{"what runs changes no conclusion", "core/job"},
		{"what was given up is not stopped", "core/job"},
		{"last write wins", "core/job"},
		{"generation not looked at", "core/job"},
		{"a later attempt speaks for those before", "core/job"},
	}
}
