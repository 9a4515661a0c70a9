package client_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"

	"github.com/ccs-project/ccs/pkg/client"
)

// check starts the job that these examples look at: h3 alone finds something.
func check(ctx context.Context, c *client.Client) client.Job {
	job, err := c.Run(ctx, client.Request{All: true, Command: client.Command{Argv: []string{"diskcheck"}}})
	if err != nil {
		log.Fatal(err)
	}
	return job
}

// Each outcome is there as soon as it is known, in the order in which hosts come
// to their ends.
func ExampleClient_Watch() {
	ctx := context.Background()
	c := connect()
	defer c.Close()
	job := check(ctx, c)

	for update, err := range c.Watch(ctx, job.ID, 0) {
		if err != nil {
			log.Fatal(err)
		}
		for _, task := range update.Tasks {
			fmt.Println(task.Host, task.State)
		}
		if update.Job.Done() {
			fmt.Println(update.Job.Settled(), "of", update.Job.Targets, "are settled")
		}
	}
	// Unordered output:
	// h1 SUCCEEDED
	// h2 SUCCEEDED
	// h3 FAILED
	// h4 SUCCEEDED
	// 4 of 4 are settled
}

// A program that stops in the middle of a watch goes on where it was, now or
// after a restart, if it keeps the id of the job and one number. What it has seen
// does not come again.
func ExampleClient_Watch_resume() {
	ctx := context.Background()
	c := connect()
	defer c.Close()
	job := check(ctx, c)

	seen := map[string]int{}
	var kept uint64 // on disk, for instance
	for update, err := range c.Watch(ctx, job.ID, 0) {
		if err != nil {
			log.Fatal(err)
		}
		for _, task := range update.Tasks {
			seen[task.Host]++
		}
		if update.Revision > 0 { // 0: in the middle of a large change, not to be kept
			kept = update.Revision
		}
		if len(seen) > 0 && kept > 0 {
			break // the program ends here
		}
	}

	for update, err := range c.Watch(ctx, job.ID, kept) { // and begins again here
		if err != nil {
			log.Fatal(err)
		}
		for _, task := range update.Tasks {
			seen[task.Host]++
		}
	}
	for _, host := range slices.Sorted(maps.Keys(seen)) {
		fmt.Println(host, "came", seen[host], "time")
	}
	// Output:
	// h1 came 1 time
	// h2 came 1 time
	// h3 came 1 time
	// h4 came 1 time
}

// Results waits for the end of the job, and gives every task in the order of the
// targets: by room, then by host.
func ExampleClient_Results() {
	ctx := context.Background()
	c := connect()
	defer c.Close()
	job := check(ctx, c)

	for task, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Ordinal, task.Room, task.Host, task.State, task.ExitCode)
	}
	// Output:
	// 0 bj01 h1 SUCCEEDED 0
	// 1 bj01 h2 SUCCEEDED 0
	// 2 sh01 h3 FAILED 1
	// 3 sh01 h4 SUCCEEDED 0
}

// Outputs are named by their content: equal ones need to be fetched only once.
func ExampleClient_Output() {
	ctx := context.Background()
	c := connect()
	defer c.Close()
	job := check(ctx, c)

	groups := map[client.OutputRef][]string{}
	for task, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
		output := task.Stdout
		if task.State != "SUCCEEDED" {
			output = task.Stderr
		}
		groups[output] = append(groups[output], task.Host)
	}
	for output, hosts := range groups {
		fmt.Print(hosts, ": ")
		if err := c.Output(ctx, job.ID, output, os.Stdout); err != nil {
			log.Fatal(err) // of code Corrupt if it is not what the host wrote
		}
	}
	// Unordered output:
	// [h1 h2 h4]: all disks are well
	// [h3]: sda: 3 bad blocks
}

// No server can make up what a host has done: the host signs it.
func ExampleClient_Verify() {
	ctx := context.Background()
	c := connect()
	defer c.Close()
	job := check(ctx, c)

	for task, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
		if task.Host == "h3" {
			task.State, task.ExitCode = "SUCCEEDED", 0 // somebody makes it look better
		}
		switch err := c.Verify(ctx, job.ID, task); {
		case err == nil:
			fmt.Println(task.Host, "signed that it", task.State)
		case client.CodeOf(err) == client.NotSigned:
			fmt.Println(task.Host, "has nothing to sign: the schedulers settled it as", task.State)
		case client.CodeOf(err) == client.Corrupt:
			fmt.Println(err)
		default: // it could not be looked at
			log.Fatal(err)
		}
	}
	// Output:
	// h1 signed that it SUCCEEDED
	// h2 signed that it SUCCEEDED
	// the result of host h3 does not bear its signature: do not trust it
	// h4 signed that it SUCCEEDED
}

// The tasks of a job can be looked at at any time, such as those that failed.
func ExampleClient_Tasks() {
	ctx := context.Background()
	c := connect()
	defer c.Close()
	job := check(ctx, c)
	for _, err := range c.Watch(ctx, job.ID, 0) { // until it is done
		if err != nil {
			log.Fatal(err)
		}
	}

	for task, err := range c.Tasks(ctx, job.ID, client.TaskFilter{States: []string{"FAILED", "TIMED_OUT"}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Host, task.State)
	}
	// Output: h3 FAILED
}

// Hosts are listed by selector: labels, and the room.
func ExampleClient_Hosts() {
	c := connect()
	defer c.Close()

	for host, err := range c.Hosts(context.Background(), "app in (web,db),room!=bj01") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(host.ID, host.Labels["app"], host.Attached)
	}
	// Output:
	// h3 db true
	// h4 web true
}
