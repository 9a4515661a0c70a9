// Package client is the Go SDK of CCS: resolve hosts, sign and submit jobs,
// watch them, read results and outputs.
//
// It is the only package whose API is kept stable, and nothing internal appears
// in its exported signatures. A job is signed with the user's own key before it
// leaves the program: no server can change what runs, or where.
//
//	c, err := client.New(client.Config{…})
//	job, err := c.Run(ctx, client.Request{Selector: "room=bj01", Command: client.Command{Argv: []string{"uptime"}}})
//	for update, err := range c.Watch(ctx, job.ID, 0) { … }
package client
