// Package client is the Go SDK of CCS: it resolves hosts, signs and submits jobs,
// watches them, and reads results and outputs. It is the only package of CCS that
// other programs are meant to import; what it is not is a way around what a user
// may do with ccsctl.
//
// # A first job
//
// A user has a certificate (by [Enrol], or from an operator), its private key, the
// CA's certificate, and the key that signs jobs. With these four files and the
// address of one or more replicas of access:
//
//	c, err := client.New(client.Config{
//		Addresses:  []string{"ccs1.example.org:7400", "ccs2.example.org:7400"},
//		CertFile:   "ann.crt",
//		KeyFile:    "ann.key",
//		CAFile:     "ca.crt",
//		SigningKey: "ann.key",
//	})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//
//	job, err := c.Run(ctx, client.Request{
//		Selector: "room=bj01,app=web",
//		Command:  client.Command{Argv: []string{"uptime"}, Timeout: time.Minute},
//	})
//	if err != nil {
//		return err
//	}
//	for task, err := range c.Results(ctx, job.ID) { // waits for the end of the job
//		if err != nil {
//			return err
//		}
//		fmt.Print(task.Host, " ", task.State, ": ")
//		if err := c.Output(ctx, job.ID, task.Stdout, os.Stdout); err != nil {
//			return err
//		}
//	}
//
// The examples show the rest: following a job while it runs, looking at the
// targets before signing for them, rolling out in batches, pausing, resuming and
// stopping a job, retrying what failed, verifying results.
//
// # What a job is
//
// [Client.Run] does three things, which can be done one by one: [Client.Resolve]
// freezes the list of hosts, [Client.Sign] makes a job of it and signs that with
// the user's own key, [Client.Submit] hands it over. From the signature on nobody,
// and no server, can change what runs, or where: hosts start nothing else. When
// the submission is accepted the job is durable and ends by itself, with an outcome
// for every target, whatever becomes of the program that made it; its ID is all
// that is needed to come back.
//
// A target is a [Task]. It is settled when nobody needs to wait for it any more:
// SUCCEEDED, FAILED and so on, or UNKNOWN, which a late outcome may still replace.
// Each command is started at most once on each host.
//
// # Rollout
//
// By default all targets of a job are released at once. A [Request] may say how
// many run at a time (Concurrency), in which groups (Batches), in which order, at
// which points the job waits for somebody to look and say [Client.Resume]
// (PauseAfter, PauseAfterBatches), and how many bad outcomes it takes to stop it
// (MaxFailures). All of it binds together, is decided before each release, and
// holds whatever becomes of the servers meanwhile; docs/rollout.md says what each
// rule means. [Client.Explain] says for any host which rule holds it.
//
// # Errors
//
// All errors, but those of a writer given to Output, are of type [*Error], with a
// [Code] to decide by and a text for people. [CodeOf] reads the code, also through
// whatever a caller wraps them in:
//
//	switch client.CodeOf(err) {
//	case client.NotFound: …
//
// If ctx ended a call, the code is Canceled, and errors.Is finds context.Canceled
// or context.DeadlineExceeded.
//
// # Retries
//
// What can be repeated without harm is repeated while the servers cannot be
// reached, at growing intervals of 0.1 to 2 s or as long as a server asks for, at
// another replica if there is one; then the error has code Unavailable. Nothing
// else is repeated, and a refusal never is; nor is a server asked again that is
// Untrusted, or does not accept the client's certificate, before anything is sent.
//
//   - What only reads (Resolve, Job, Explain, Summarize, Host, Verify, each page of
//     Jobs, Tasks and Hosts) for up to 5 s. Output for up to 5 s without a byte.
//   - Watch, and Results while it waits, for up to 30 s without a word.
//   - Submit for up to 30 s, as the same job: twice accepted is once accepted.
//   - Cancel, Pause and Resume for up to 30 s, under the same request id: each has
//     one effect.
//   - Run and Retry repeat their parts as they do, and never sign a second job.
//   - Enrol is tried once.
//
// The deadline of ctx is the caller's to set; none is set here.
//
// # Concurrency
//
// A [Client] is safe for concurrent use, and its calls share one connection. So are
// [Targets] and [Signed], which do not change. The structs that are returned are
// the caller's, with all in them. A sequence (Watch, Results, Tasks, Jobs, Hosts)
// does nothing until it is ranged over, asks the servers in the goroutine that
// ranges, and ends what it has begun when the loop does; ranged over again, it
// begins again.
//
// # Stability
//
// The exported names of this package are kept: within a major version of the
// module none is removed or changes its meaning, and struct fields, codes, states
// and reasons are only added. So name the fields of struct literals, and expect
// texts of State and Reason that are new. The texts of errors and of Job.Command
// are for people and may change. No type of another package of CCS appears in an
// exported signature; that of gRPC does in [Over], which is meant for tests.
package client
