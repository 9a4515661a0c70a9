package wire

import (
	"fmt"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// causeText says a cause to a person: what it is and since when, why, what ends
// it, and what there is to do. Times are in UTC, as in the texts of errors.
func causeText(c job.Cause) string {
	switch c.Code { //nolint:exhaustive // waitingText has the others
	case job.CauseSettled:
		return settledText(c)
	case job.CauseAwaitsLateOutcome:
		return fmt.Sprintf("It is settled as %s: no outcome was heard%s. An outcome that its host says after all replaces this."+
			" Look at the host before you run it again: the command may have run, or still run.", outcomeText(c.Seen), by(c.Since))
	case job.CauseQuarantined:
		return "The job is quarantined: it harmed its scheduler twice and is set aside, so that other jobs go on" + because(c.Why) +
			". Nothing of it is released or heard any more, and what runs on hosts goes on; they keep its results." +
			" Ask an operator, who can find out why, and reinstate it (docs/quarantine.md)."
	case job.CauseStopping:
		return stoppingText(c)
	case job.CauseHostAway:
		return awayText(c)
	case job.CauseNotConfirmed:
		return unconfirmedText(c)
	case job.CauseClassQueue:
		return queueText(c)
	case job.CauseExecutorBusy:
		return busyText(c)
	case job.CauseRunning:
		return runningText(c)
	case job.CauseOverdue:
		return overdueText(c)
	default:
		return waitingText(c)
	}
}

// stoppingText says what is wished of a released task.
func stoppingText(c job.Cause) string {
	switch {
	case c.Want != task.DesiredWithdraw:
		return fmt.Sprintf("The job is stopped%s: the host is told to end it, and told again until it says that it has ended.", since(c)) + ends(c)
	case c.Seen.State == task.Starting || c.Seen.State == task.Running:
		return fmt.Sprintf("The job is canceled%s, and what had started by then goes on: so does this. Cancel the job again without keeping what runs to have it killed.",
			since(c)) + ends(c)
	}
	return fmt.Sprintf("The job is canceled%s: the host is told not to start it, and told again until it answers. If it has started by then it goes on.",
		since(c)) + ends(c)
}

// queueText is for a release that has no credit yet.
func queueText(c job.Cause) string {
	text := fmt.Sprintf("It is released and waits at its scheduler%s: %s takes no more releases of class %s for now.", since(c), c.Via, c.Class)
	if c.Ahead > 0 {
		text += fmt.Sprintf(" %s of the class wait there with it, and jobs take turns.", plural(c.Ahead, "other release"))
	}
	return text + ends(c)
}

func busyText(c job.Cause) string {
	text := fmt.Sprintf("It is on its host's disk%s and has not started: the executor has no free slot yet.", since(c))
	if c.Want >= task.DesiredWithdraw {
		return text + " It starts only if one is free before the host hears that it is not to." + ends(c)
	}
	return text + fmt.Sprintf(" It starts when one is free%s.", before(c.StartBy)) + ends(c)
}

func overdueText(c job.Cause) string {
	text := fmt.Sprintf("The command runs past its timeout of %s%s: the timeout only reports, so it goes on, and its real outcome still counts.", c.Timeout, since(c))
	if c.Want < task.DesiredWithdraw {
		text += " Cancel the job to have it killed."
	}
	return text + ends(c)
}

// because is what is known of why a job is set aside, within what a text may be.
func because(why string) string {
	const most = 512
	if why == "" {
		return ""
	}
	if len(why) > most {
		why = strings.ToValidUTF8(why[:most], "") + "…"
	}
	return " (" + why + ")"
}

// waitingText is for what keeps a task from being released.
func waitingText(c job.Cause) string {
	switch {
	case c.Code == job.CauseConcurrency:
		return fmt.Sprintf("%d of at most %d targets are at work%s: that is the job's concurrency. It is released when one of them settles and its turn has come.",
			c.InFlight, c.Limit, since(c)) + ends(c)
	case c.Code == job.CauseBatch:
		return fmt.Sprintf("It is in batch %d, and batch %d is in progress%s: the next one begins when all of that has settled.", c.Limit, c.Done, since(c)) + ends(c)
	case c.Code == job.CausePausePoint && c.OfBatches:
		return fmt.Sprintf("The job is paused%s after batch %d: look at what is done, and resume or cancel it.", since(c), c.Done) + ends(c)
	case c.Code == job.CausePausePoint && c.InFlight > 0:
		return fmt.Sprintf("The job pauses after %s: %d are released%s, and %d of those have not settled. Nothing more is released until a user resumes it.",
			plural(c.Limit, "target"), c.Done, since(c), c.InFlight) + ends(c)
	case c.Code == job.CausePausePoint:
		return fmt.Sprintf("The job is paused%s after %s: look at what is done, and resume or cancel it.", since(c), plural(c.Done, "target")) + ends(c)
	case c.Code == job.CausePaused:
		return fmt.Sprintf("The job is paused by a user%s: resume or cancel it.", since(c)) + ends(c)
	case c.Code == job.CauseFailureBudget && c.Done > c.Limit:
		return fmt.Sprintf("The failure budget is spent%s: there are more bad outcomes (%d) than are tolerated (%d). Look at what failed, and resume or cancel the job.",
			since(c), c.Done, c.Limit) + ends(c)
	case c.Code == job.CauseFailureBudget:
		return fmt.Sprintf("The failure budget tolerates %s%s: so far there are %d, and %s at work may become bad. It is released when enough of them have ended well.",
			plural(c.Limit, "bad outcome"), since(c), c.Done, plural(c.InFlight, "target")) + ends(c)
	case c.Code == job.CauseOrder && c.Blocks():
		return orderText(c.Ahead) + ends(c)
	case c.Code == job.CauseOrder:
		return "Nothing holds it: it is released next." + ends(c)
	case c.Code == job.CauseNotBefore && !c.Until.IsZero():
		return fmt.Sprintf("Its job was signed to begin at %s and no earlier: nothing of it is released before.", utc(c.Until))
	}
	return sentence(c.Code.Means()+since(c)) + ends(c)
}

func settledText(c job.Cause) string {
	text := fmt.Sprintf("It is settled%s as %s.", since(c), outcomeText(c.Seen))
	switch {
	case c.Seen.State == task.Skipped:
		return text + " It was not started, and never will be by this job."
	case c.Concluded:
		return text + " The scheduler has concluded that by itself; if its host says otherwise after all, its word replaces this."
	}
	return text + " Nothing more is expected of it."
}

// outcomeText is an outcome with all that explains it.
func outcomeText(r task.Report) string {
	text := r.State.String()
	switch {
	case r.Exit.Reason != task.NoReason:
		text += fmt.Sprintf(" (%s: %s)", r.Exit.Reason, r.Exit.Reason.Means())
	case r.State == task.Failed && r.Exit.Signal == 0:
		text += fmt.Sprintf(", exit status %d", r.Exit.Code)
	}
	if r.Exit.Signal != 0 {
		text += fmt.Sprintf(", signal %d", r.Exit.Signal)
	}
	if r.Attempt > 1 {
		text += fmt.Sprintf(", at attempt %d", r.Attempt)
	}
	return text
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func orderText(ahead int) string {
	if ahead == 1 {
		return "1 target stands before it in the list, and is released first."
	}
	return fmt.Sprintf("%d targets stand before it in the list, and are released first.", ahead)
}

func awayText(c job.Cause) string {
	text := "Its host is away" + since(c)
	if c.Since.IsZero() {
		text += ", since when this scheduler does not know"
	}
	if c.Via != "" {
		text += fmt.Sprintf(" (last at %s)", c.Via)
	}
	switch {
	case c.Seen.State == task.Unknown:
		text += ". An outcome that it has is heard when it is back."
	case c.Seen.Attempt > 0:
		text += ". What it has goes on there, and is heard when it is back."
	default:
		text += ". The task is released when the host is back and nothing else holds it."
	}
	return text + " See whether the host runs, and its agent." + ends(c)
}

func unconfirmedText(c job.Cause) string {
	text := "It is released" + since(c)
	if c.Seen.Attempt > 1 {
		text = fmt.Sprintf("Attempt %d of it is released%s, after the one before was lost", c.Seen.Attempt, since(c))
	}
	if c.TakenOver {
		text += ", by a scheduler that owned the job before this one, and the host has not been heard since."
	} else {
		text += ", and the host has not said that it has it."
	}
	return text + fmt.Sprintf(" It is asked every %s, and sent again where that shows that it did not arrive.", job.PullEvery) + ends(c)
}

func runningText(c job.Cause) string {
	text := "The command runs" + since(c) + "."
	if c.Seen.State == task.Starting {
		text = "The command is being started" + since(c) + "."
	}
	if c.Timeout == 0 || c.OnlyReports {
		return text + ends(c)
	}
	text += fmt.Sprintf(" Its timeout is %s", c.Timeout)
	if c.Seen.State == task.Running && !c.Since.IsZero() {
		text += fmt.Sprintf(": its host kills it at %s", utc(c.Since.Add(c.Timeout)))
	}
	return text + "." + ends(c)
}

// ends says what happens at the latest moment.
func ends(c job.Cause) string {
	switch {
	case c.Until.IsZero():
		return ""
	case c.Then == task.Unknown:
		return fmt.Sprintf(" If no outcome is heard by %s it is settled as UNKNOWN.", utc(c.Until))
	case c.Then != task.Unspecified:
		return fmt.Sprintf(" If it is not released by %s it is settled as %s, and was not started.", utc(c.Until), c.Then)
	}
	return fmt.Sprintf(" This ends at %s at the latest.", utc(c.Until))
}

func since(c job.Cause) string { return moment(" since ", c.Since) }

func by(t time.Time) string { return moment(" by ", t) }

func before(t time.Time) string { return moment(", not after ", t) }

func moment(word string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return word + utc(t)
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }
