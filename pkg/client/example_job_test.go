package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// A client is made of the four files of its user, and of the addresses of access:
// any one of them that answers is enough.
func ExampleNew() {
	files := demo.open().UserConfig() // in your program: ann.crt, ann.key, ca.crt
	c, err := client.New(client.Config{
		Addresses:  files.Addresses, // such as "ccs1.example.org:7400", "ccs2.example.org:7400"
		CertFile:   files.CertFile,
		KeyFile:    files.KeyFile,
		CAFile:     files.CAFile,
		SigningKey: files.SigningKey,
	})
	if err != nil {
		log.Fatal(err) // says every fault: what is missing, or cannot be read
	}
	defer c.Close()

	host, err := c.Host(context.Background(), "h1") // the first call connects
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(host.ID, "is in room", host.Room)
	// Output: h1 is in room bj01
}

// A program runs on two hosts, and the results are waited for.
func ExampleClient_Run() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	job, err := c.Run(ctx, client.Request{
		Hosts:   []string{"h1", "h3"},
		Command: client.Command{Argv: []string{"hostname"}, Timeout: time.Minute},
		Note:    "is everybody there?",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Targets, "targets")

	for task, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Host, task.State)
	}
	// Output:
	// 2 targets
	// h1 SUCCEEDED
	// h3 SUCCEEDED
}

// A script runs everywhere, on at most a quarter of the hosts at a time.
func ExampleClient_Run_script() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	job, err := c.Run(ctx, client.Request{
		All:         true,
		Command:     client.Command{Script: []byte("echo one; echo two >&2; exit 3\n")},
		Concurrency: client.Amount{Percent: 25},
		Deadline:    time.Hour, // whoever has not started by then never will
	})
	if err != nil {
		log.Fatal(err)
	}
	for task, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Host, task.State, task.ExitCode, task.Stdout.Size, task.Stderr.Size)
	}
	// Output:
	// h1 FAILED 3 4 4
	// h2 FAILED 3 4 4
	// h3 FAILED 3 4 4
	// h4 FAILED 3 4 4
}

// What Run does in one step can be done in three, to look at the targets before
// anything is signed: the list that was looked at is the list that is signed.
func ExampleClient_Resolve() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	request := client.Request{
		Selector: "app=web",
		Command:  client.Command{Argv: []string{"diskcheck"}},
	}
	targets, err := c.Resolve(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(targets.Len(), "hosts:", targets.Hosts(), "in", targets.Rooms())
	if targets.Len() > 1000 {
		log.Fatal("that is more than was meant")
	}

	signed, err := c.Sign(request, targets) // asks no server
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.Submit(ctx, signed) // may be repeated: it stays one job
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.ID == signed.ID, job.Targets)
	// Output:
	// 2 hosts: [h1 h4] in map[bj01:1 sh01:1]
	// true 2
}

// One host is running, three wait their turn: the first is killed, and the others
// are never started.
func ExampleClient_Cancel() {
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
	for update, err := range c.Watch(ctx, job.ID, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if update.Job.Counts["RUNNING"] == 1 {
			break
		}
	}

	if _, err = c.Cancel(ctx, job.ID, client.Cancel{}); err != nil {
		log.Fatal(err)
	}
	for task, err := range c.Results(ctx, job.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Host, task.State, task.Reason)
	}
	// Output:
	// h1 CANCELED killed
	// h2 SKIPPED job_canceled
	// h3 SKIPPED job_canceled
	// h4 SKIPPED job_canceled
}

// A program decides by the code of an error; its text is for people.
func ExampleCodeOf() {
	ctx := context.Background()
	c := connect()
	defer c.Close()

	_, err := c.Run(ctx, client.Request{
		Hosts:   []string{"h1", "nobody"},
		Command: client.Command{Argv: []string{"hostname"}},
	})
	switch client.CodeOf(err) {
	case client.Invalid:
		fmt.Println("asked for something that cannot be:", err)
	case client.Denied:
		fmt.Println("not allowed to")
	case client.Unavailable, client.Canceled, client.Internal:
		fmt.Println("whether the job exists is not known") // Run returns its ID: ask for that
	default:
		fmt.Println(client.CodeOf(err), err)
	}

	_, err = c.Job(ctx, "0190a6f0-0000-7000-8000-000000000000")
	if client.CodeOf(err) == client.NotFound {
		fmt.Println("there is no such job")
	}
	// Output:
	// asked for something that cannot be: unknown hosts (no such id or IP address): nobody
	// there is no such job
}
