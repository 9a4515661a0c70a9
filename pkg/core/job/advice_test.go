package job

import "github.com/ccs-project/ccs/pkg/core/task"

// advice is a row of docs/reasons.md.
type advice struct{ happened, now string }

// bareAdvice is for settled states that may stand without a reason.
var bareAdvice = map[task.State]advice{
	task.Succeeded: {"the command ended with exit status 0", "nothing"},
	task.Failed:    {"the command ended with the exit status shown", "read its output: `ccsctl output JOB HOST`"},
}

var reasonAdvice = map[task.Reason]advice{
	task.Silent: {
		"the task was released, and nothing was heard of it by its settle-by. The host may have run it",
		"see whether the host is attached: `ccsctl host get HOST`. Do not run it again if twice would hurt: the true outcome replaces this one when the host comes back",
	},
	task.StillRunning: {
		"the host said that the command runs; no end was heard by the settle-by",
		"as with `silent`. If the host is attached, the command does still run there, or its end is on its way",
	},

	task.BadSignature: {
		"the host does not know the key that signed the job, or the job was changed on its way. Nothing was started",
		"see that the user's key is in the operator's bundle, and that the host has that version (the agent logs it). With the right key in the bundle, run it again. If the key is there: suspect what lies between",
	},
	task.BadToken: {
		"the user's token is missing, expired or of another key. Nothing was started. Not given yet: there are no tokens yet",
		"sign in again and run it again",
	},
	task.BadTime: {
		"by the host's clock the job was signed in the future, further than clocks may differ (10 minutes). Nothing was started",
		"compare the clocks of the host and of the machine that signed (`chronyc tracking`, `timedatectl`), mend the wrong one, run it again",
	},
	task.NotTarget: {
		"this host, with its present incarnation, is not in the list that the user signed. Nothing was started",
		"the state directory of the host was probably made anew after the list was resolved: run it again, which resolves anew",
	},
	task.BadRole: {
		"the role of the user does not allow this command on this host. Nothing was started. Not given yet: there are no roles yet",
		"ask for the role, or have somebody run it who has it",
	},
	task.Frozen: {
		"an operator has frozen the host (ccshost freeze). Nothing was started. The message says who and why",
		"ask who froze it; run it again afterwards",
	},
	task.Malformed: {
		"the host cannot read the job, or cannot honour what it asks, such as a limit of memory or CPU. Nothing was started",
		"the task's message says which part. Leave the limit out, or update the host's agent; run it again",
	},
	task.BundleStale: {
		"the host has no bundle of keys, or one past its expiry. Nothing was started",
		"publish a new bundle. If others have it and this host does not: its agent has been cut off; look at its log",
	},
	task.ParentLives: {
		"the job is a retry, and on this host the task of the job that it retries has not ended: the command runs, or may still be started. Nothing was started",
		"wait until that task has an outcome, or cancel that job; then retry again, if it is still needed",
	},

	task.BeforeStart: {"it was canceled before the command was started", "nothing"},
	task.Killed: {
		"it was canceled while the command ran; the whole process tree was ended, by SIGTERM and after the grace by SIGKILL",
		"the command may have done a part of its work: look before you run it again",
	},

	task.NoAccount:    {"the account to run as does not exist on the host (/etc/passwd). Nothing was started", "make the account there, or name another; run it again"},
	task.NoFile:       {"the program, the interpreter of the script or the working directory is not there. Nothing was started", "the task's message names it. Install it or correct the path; run it again"},
	task.NoPermission: {"the host may not execute the file, enter the directory, or become the account (only an executor that runs as root can). Nothing was started", "the task's message names it. Mend the mode, the mount option (noexec) or the executor's account; run it again"},
	task.ForkFailed:   {"the host could not make a process, several times over: no pids or no memory. Nothing was started", "look at the host: `cat /proc/loadavg`, pids.max of its cgroup, memory. Run it again when it is well"},
	task.NoResources:  {"no space, no inodes or no file descriptors for the command's files, or no end-process could be started. Nothing was started", "look at `df` and `df -i` of the executor's state directory and at the executor's log; run it again"},
	task.BadSpec:      {"what is on the host's disk of the command cannot be carried out, or was damaged there. Nothing was started", "the task's message says why: an empty argv, too long arguments, a file that is no program. Damaged files are kept under `damaged/` of the executor's state directory"},

	task.StartByPassed: {
		"the host heard of it, or came to it, after the job's TTL; certainly not started",
		"if the host was away or busy for so long and it still makes sense, run it again, with a longer `--ttl`",
	},

	task.Rebooted: {
		"the host was rebooted while the command may have run. How far it came cannot be known",
		"look on the host what was done. Run it again if twice does not hurt",
	},
	task.SupervisorLost: {
		"the end-process of the command was killed, and nobody could learn the command's exit status. Nothing of it lives any more",
		"look who kills processes there (the kernel log: out of memory). Look what was done, and run it again if twice does not hurt",
	},
	task.StateWiped: {
		"the host came back with a new state directory (reinstalled, or a new disk); what it had run is forgotten",
		"look on the host, or take it as lost. Run it again if twice does not hurt",
	},
	task.Forgotten: {
		"the host does not know the task any more, as after a restore of the job store, and it may have run",
		"as with `state_wiped`",
	},

	task.Aborted:        {"never released: the failure budget of the job was used up, and its action is abort", "mend what failed, run it again on the hosts that were left out"},
	task.JobCanceled:    {"never released: the job was canceled", "nothing; run it again on these hosts if you want it after all"},
	task.DeadlinePassed: {"never released by the job's deadline: the host was away, or the concurrency was too small for the time", "run it again on these hosts, with a longer `--deadline` or a greater `--concurrency`"},
	task.NewIncarnation: {"never released: the host has a new state directory and is no longer the one that the user signed for", "run it again: the list is resolved anew"},

	task.Timeout: {"the command ran longer than its timeout and was ended with its whole process tree", "read its output. Run it again with a longer `--timeout` if it was only slow"},
	task.Signaled: {
		"the command ended by the signal shown, which CCS did not send",
		"read its output and the kernel log (SIGKILL: often out of memory; SIGSEGV: a fault of the program)",
	},
}

var causeAdvice = map[CauseCode]string{
	CauseSettled:           "see the table above",
	CauseAwaitsLateOutcome: "bring the host back, if it is away",
	CauseQuarantined:       "see [quarantine.md](quarantine.md): look why, keep the log of the scheduler and report it, for the program is at fault",
	CauseStopping:          "wait for the grace; what cannot be ended becomes UNKNOWN",
	CauseConcurrency:       "wait, or cancel the job and run it with a greater `--concurrency`",
	CauseOrder:             "wait",
	CauseBatch:             "wait; `ccsctl task list JOB` shows what the batch in progress still waits for",
	CausePausePoint:        "look at what is done so far, then `ccsctl job resume JOB`, or cancel it",
	CausePaused:            "`ccsctl job resume JOB`, or cancel it",
	CauseFailureBudget:     "look at what failed (`ccsctl task list JOB --failed`). If the job is paused: `ccsctl job resume JOB` forgives it, or cancel the job",
	CauseHostAway:          "see why: is the host up, does ccs-agent run there, does its log say that it reaches an aggregator?",
	CauseNotConfirmed:      "normally this takes milliseconds. If it stays: is the aggregator of the host up, is the executor of the host up (the agent's log)?",
	CauseExecutorBusy:      "see what runs on the host; `slots` in the executor's config says how many may",
	CauseRunning:           "wait, or `ccsctl job cancel JOB`",
	CauseOverdue:           "look at it on the host, or `ccsctl job cancel JOB`",
	CauseClassQueue:        "wait; if it stays: is the aggregator of the host overloaded, or is its disk full (its log)?",
	CauseNotBefore:         "wait until the time that is shown",
}
