package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ccs-project/ccs/pkg/client"
)

// untilPaused waits until a job is paused, or done.
func untilPaused(ctx context.Context, c *client.Client, id string) client.Job {
	var job client.Job
	for update, err := range c.Watch(ctx, id, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if job = update.Job; job.State == "PAUSED" {
			break
		}
	}
	return job
}

// One host first, then a look at it, then two more, then the rest: in the order
// of the list, and a room is not over before the next one begins.
func ExampleClient_Resume() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	job, err := c.Run(ctx, client.Request{
		All:        true,
		Command:    client.Command{Argv: []string{"hostname"}},
		PauseAfter: []uint32{1},
	})
	if err != nil {
		log.Fatal(err)
	}
	job = untilPaused(ctx, c, job.ID)
	fmt.Println(job.State, job.PauseCause, job.Released)

	// The request id is kept before it is used: whoever is not sure that it has
	// arrived says it once more, and two targets are released, not four.
	more := client.Resume{RequestID: "resume-of-monday-1", Targets: 2}
	for range 2 {
		if _, err := c.Resume(ctx, job.ID, more); err != nil {
			log.Fatal(err)
		}
	}
	job = untilPaused(ctx, c, job.ID)
	fmt.Println(job.State, job.PauseCause, job.Released)

	if _, err = c.Resume(ctx, job.ID, client.Resume{}); err != nil {
		log.Fatal(err)
	}
	job = untilPaused(ctx, c, job.ID)
	fmt.Println(job.State, job.Released)

	_, err = c.Resume(ctx, job.ID, client.Resume{})
	fmt.Println(client.CodeOf(err) == client.WrongState) // it is not paused
	// Output:
	// PAUSED point 1
	// PAUSED point 3
	// DONE 4
	// true
}

// One host runs, and the others wait for it. A pause holds them back, for as long
// as it takes to look at the first.
func ExampleClient_Pause() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	job, err := c.Run(ctx, client.Request{
		All:         true,
		Command:     client.Command{Argv: []string{"sleep", "3600"}},
		Concurrency: client.Amount{Count: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	if job, err = c.Pause(ctx, job.ID, client.Pause{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.State, job.PauseCause, job.Counts["PENDING"])

	if job, err = c.Cancel(ctx, job.ID, client.Cancel{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(untilPaused(ctx, c, job.ID).State)
	// Output:
	// PAUSED user 3
	// DONE
}

// Batches of one host and then of all others, which begin only if that went well:
// not one failure is tolerated, and the second room is as early as the first.
func ExampleClient_Run_batches() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	job, err := c.Run(ctx, client.Request{
		Hosts:       []string{"h1", "h2", "h3", "h4"},
		Command:     client.Command{Argv: []string{"diskcheck"}},
		Order:       client.SpreadRooms, // h1 h3 h2 h4
		Batches:     []client.Amount{{Count: 2}, {Percent: 100}},
		MaxFailures: &client.Budget{Count: 0},
		OnFailure:   client.AbortOnFailure,
	})
	if err != nil {
		log.Fatal(err)
	}
	for task, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Host, task.State)
	}
	// Output:
	// h1 SUCCEEDED
	// h2 SKIPPED
	// h3 FAILED
	// h4 SKIPPED
}

// What failed is tried once more, by a job of its own.
func ExampleClient_Retry() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	first, err := c.Run(ctx, client.Request{All: true, Command: client.Command{Argv: []string{"diskcheck"}}})
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range c.Results(ctx, first.ID) {
		if err != nil {
			log.Fatal(err)
		}
	}

	again, err := c.Retry(ctx, first.ID, []string{"FAILED"}, client.Request{
		Command: client.Command{Argv: []string{"hostname"}}, // any command
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.Targets, again.ParentID == first.ID)
	for task, err := range c.Results(ctx, again.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Host, task.State)
	}

	_, err = c.Retry(ctx, again.ID, nil, client.Request{Command: client.Command{Argv: []string{"hostname"}}})
	fmt.Println(client.CodeOf(err)) // nothing has failed there
	// Output:
	// 1 true
	// h3 SUCCEEDED
	// invalid
}

// Four hosts and two different results.
func ExampleClient_Summarize() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	job, err := c.Run(ctx, client.Request{All: true, Command: client.Command{Argv: []string{"diskcheck"}}})
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
	}
	summary, err := c.Summarize(ctx, job.ID)
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range summary.Groups {
		fmt.Println(g.Count, g.State, g.ExitCode, g.Hosts)
	}
	fmt.Println(summary.SilentCount, "silent")
	// Output:
	// 3 SUCCEEDED 0 [h1 h2 h4]
	// 1 FAILED 1 [h3]
	// 0 silent
}
