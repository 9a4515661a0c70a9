package cctest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/internal/fakehost"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAnyProgramReachesAnOpenClusterWithTheUsersFilesAlone(t *testing.T) {
	c := cctest.Open(context.Background(), cctest.Shape{})
	c.Host("h2").Plays(func(o wire.StartOrder) fakehost.Act { return fakehost.Act{Stdout: []byte(o.Spec.Run.Argv[0])} })
	config := c.UserConfig()
	if len(config.Addresses) != 2 {
		t.Errorf("access has the addresses %v", config.Addresses)
	}
	user, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Stop("access-1") // either is enough
	job, err := user.Run(t.Context(), uptime("h2"))
	if err != nil {
		t.Fatal(err)
	}
	for task, err := range user.Results(t.Context(), job.ID) {
		if err != nil || task.State != "SUCCEEDED" || string(c.Output(job, task.Stdout)) != "uptime" {
			t.Errorf("the task is %+v: %v", task, err)
		}
	}
	if err := user.Close(); err != nil {
		t.Error(err)
	}
	c.Close()
	if left, _ := os.Stat(filepath.Dir(config.CAFile)); left != nil {
		t.Errorf("%s was left behind", config.CAFile)
	}
}

func TestWhatWouldFailATestPanicsOnAStage(t *testing.T) {
	panics := func(do func()) (said any) {
		defer func() { said = recover() }()
		do()
		return nil
	}
	c := cctest.Open(context.Background(), cctest.Shape{Rooms: []string{"bj01"}, HostsPerRoom: 1})
	if said := panics(func() { c.Host("h9") }); said != `the cluster has no host "h9"; it has [h1]` {
		t.Errorf("a host that is not there: %v", said)
	}
	if said := panics(c.Close); said != nil {
		t.Errorf("it ends with %v", said)
	}
}
