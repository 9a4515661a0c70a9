package telemetry

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// What the metrics are to be is of a cluster of this size.
const (
	hosts       = 4 // two in each room
	schedulers  = 3
	aggregators = 4
	shards      = 64 + 64 // of both pools
	outputSize  = 100_000 // of a command: too large to go with its report
)

// figure is what a metric is to say at all processes of a tier together.
type figure struct {
	metric obs.Name
	tier   string
	labels []string
	least  float64
	most   float64
}

func exactly(m obs.Name, tier string, n float64, labels ...string) figure {
	return figure{m, tier, labels, n, n}
}

func atLeast(m obs.Name, tier string, n float64, labels ...string) figure {
	return figure{m, tier, labels, n, 1e12}
}

// never is of a counter by reasons that has had none.
func never(m obs.Name, tier string) figure { return figure{metric: m, tier: tier, most: -1} }

// TestEveryMetricSaysWhatHasHappened runs one job on all hosts, and what else it
// takes for each metric of the table to have something to say.
func TestEveryMetricSaysWhatHasHappened(t *testing.T) {
	c := rig.Start(t, devcluster.Options{Hosts: hosts})
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	job := c.Run(t, client.Request{Command: rig.Sh(
		w.Says("started") + "head -c " + strconv.Itoa(outputSize) + " /dev/zero; while [ ! -s " + key.Path + " ]; do sleep 0.05; done")})
	w.Await(t, hosts)
	awaitFigures(t, c,
		exactly(obs.JobsLive, "scheduler", 1), exactly(obs.TasksInFlight, "scheduler", hosts),
		exactly(obs.CommandsLive, "executor", hosts), atLeast(obs.PayloadsHeld, "aggregator", 2))
	c.Restart(t, "executor-h1") // its command goes on
	c.Pause(t, of(c, "scheduler")...)
	key.Write(t, "end")
	awaitFigures(t, c, exactly(obs.ReportsUnforgotten, "agent", hosts), exactly(obs.ReportsHeld, "aggregator", hosts),
		atLeast(obs.BlobBytes, "aggregator", 2*outputSize)) // equal ones are held once, in each room
	c.Resume(t, of(c, "scheduler")...)
	rig.WantAll(t, c.Settled(t, job.ID), hosts, "SUCCEEDED")
	beRefused(t, c)
	awaitFigures(t, c, afterwards()...)
	everyRowIsShown(t, c)
}

// beRefused says nothing where a host says hello.
func beRefused(t *testing.T, c *rig.Cluster) {
	t.Helper()
	state := filepath.Join(c.Dir(), "state", "agent-h1")
	own := identity.Files{Cert: filepath.Join(state, "host.crt"), Key: filepath.Join(state, "host.key"), CA: filepath.Join(state, "ca.crt")}
	for _, l := range c.Listeners() {
		if l.Key != "session_listen" {
			continue
		}
		stream, err := sessionv1.NewSessionServiceClient(dial(t, own, identity.Aggregator, l.Address)).Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&sessionv1.ConnectRequest{}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s answers a session without a hello with %v", l.Process, err)
		}
	}
}

// afterwards is what they are to say when the job is over and forgotten.
func afterwards() []figure {
	now := float64(time.Now().Unix())
	return []figure{
		exactly(obs.Requests, "access", 1, "method=SubmitJob", "code=OK"),
		exactly(obs.Requests, "scheduler", 1, "method=SubmitJob", "code=OK"),
		exactly(obs.Requests, "scheduler", hosts, "method=RegisterHost", "code=OK"),
		exactly(obs.Requests, "issuer", hosts, "method=EnrolHost", "code=OK"),
		exactly(obs.RequestDuration, "access", 1, "method=SubmitJob"),
		exactly(obs.RequestDuration, "scheduler", 1, "method=SubmitJob"),
		exactly(obs.RequestDuration, "issuer", hosts, "method=EnrolHost"),
		atLeast(obs.CertificateExpiry, "access", 2*now),
		atLeast(obs.CertificateExpiry, "scheduler", schedulers*now),
		atLeast(obs.CertificateExpiry, "aggregator", aggregators*now),
		atLeast(obs.CertificateExpiry, "agent", hosts*now),
		atLeast(obs.CertificateExpiry, "issuer", now),
		exactly(obs.JobsAccepted, "scheduler", 1, "class=standard"),
		exactly(obs.JobsDone, "scheduler", 1, "class=standard"),
		exactly(obs.JobsLive, "scheduler", 0),
		exactly(obs.TasksReleased, "scheduler", hosts, "class=standard"),
		exactly(obs.TasksSettled, "scheduler", hosts, "class=standard", "outcome=SUCCEEDED"),
		exactly(obs.TasksInFlight, "scheduler", 0),
		exactly(obs.ShardsOwned, "scheduler", shards),
		exactly(obs.ShardsFenced, "scheduler", 0),
		atLeast(obs.StoreCommits, "scheduler", 2, "result=ok"),
		atLeast(obs.StoreCommit, "scheduler", 2),
		atLeast(obs.StoreSize, "scheduler", 4096),
		atLeast(obs.RetentionStep, "scheduler", 1),
		exactly(obs.RetainedJobs, "scheduler", 0), // it is kept for days
		exactly(obs.RetainedRows, "scheduler", 0),
		never(obs.ReportsStray, "scheduler"),
		exactly(obs.MeshStreams, "scheduler", schedulers*aggregators),
		exactly(obs.MeshStreams, "aggregator", schedulers*aggregators),
		exactly(obs.Registered, "scheduler", schedulers),
		exactly(obs.Registered, "aggregator", aggregators),
		exactly(obs.EtcdWentBack, "access", 0),
		exactly(obs.EtcdWentBack, "scheduler", 0),
		exactly(obs.EtcdWentBack, "aggregator", 0),
		exactly(obs.EtcdWentBack, "issuer", 0),
		exactly(obs.HostsKnown, "scheduler", schedulers*hosts),
		exactly(obs.HostsAttached, "scheduler", schedulers*hosts),
		exactly(obs.Sessions, "aggregator", hosts),
		atLeast(obs.SessionsOpened, "aggregator", hosts),
		exactly(obs.SessionsRefused, "aggregator", aggregators, "code=InvalidArgument"),
		atLeast(obs.CommandsSent, "aggregator", hosts, "class=standard"),
		atLeast(obs.ReportsReceived, "aggregator", hosts),
		exactly(obs.ReportsHeld, "aggregator", 0),
		exactly(obs.BlobBytes, "aggregator", 0),
		atLeast(obs.SpoolBytes, "aggregator", aggregators),
		atLeast(obs.SpoolEntries, "aggregator", 2), // of the payloads
		atLeast(obs.PayloadsHeld, "aggregator", 2), // one in each room, for some minutes: a host may come late
		exactly(obs.CommandsJudged, "agent", hosts, "verdict=accepted"),
		exactly(obs.SessionAttached, "agent", hosts),
		exactly(obs.ReportsUnforgotten, "agent", 0),
		exactly(obs.CommandsStarted, "executor", hosts-1), // the first one's was started by the executor before
		exactly(obs.CommandsEnded, "executor", hosts, "outcome=SUCCEEDED"),
		exactly(obs.CommandsLive, "executor", 0),
		exactly(obs.CommandsAdopted, "executor", 1),
		exactly(obs.Enrolments, "issuer", hosts, "kind=host", "result=OK"),
		exactly(obs.Enrolments, "issuer", 1, "kind=user", "result=OK"),
	}
}

// awaitFigures waits until all of them are so.
func awaitFigures(t *testing.T, c *rig.Cluster, all ...figure) {
	t.Helper()
	rig.Eventually(t, func() string {
		shown := map[string][]page{}
		for _, f := range all {
			if shown[f.tier] == nil {
				shown[f.tier] = pages(t, c, f.tier)
			}
			if wrong := f.wrong(shown[f.tier]); wrong != "" {
				return wrong
			}
		}
		return ""
	})
}

// wrong says how a figure is not as it is to be; empty: it is.
func (f figure) wrong(all []page) string {
	name := row(f.metric).Prometheus()
	got, found := sum(all, name, f.labels...)
	if found && got >= f.least && got <= f.most || !found && f.most < 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s with %v is %v, wanted %v to %v:%s", name, f.tier, f.labels, got, f.least, f.most, series(all, name))
}

// row is that of the table.
func row(name obs.Name) obs.Metric {
	table := obs.Metrics()
	return table[slices.IndexFunc(table, func(m obs.Metric) bool { return m.Name == name })]
}

// everyRowIsShown checks that figures leave nothing of the table out, and that
// no process shows a metric of ours that the table does not give it.
func everyRowIsShown(t *testing.T, c *rig.Cluster) {
	t.Helper()
	known := afterwards()
	for _, m := range obs.Metrics() {
		for _, tier := range m.Tiers {
			if !slices.ContainsFunc(known, func(f figure) bool { return f.metric == m.Name && f.tier == tier }) {
				t.Errorf("nobody looks at %s of %s", m.Prometheus(), tier)
			}
		}
	}
	for _, tier := range tiers() {
		for _, p := range pages(t, c, tier) {
			for name := range p.families {
				i := slices.IndexFunc(obs.Metrics(), func(m obs.Metric) bool { return m.Prometheus() == name })
				if i >= 0 && !slices.Contains(obs.Metrics()[i].Tiers, tier) {
					t.Errorf("%s shows %s, which the table does not give it", p.process, name)
				}
			}
			if said, _ := sum([]page{p}, "target_info", "service_name=ccs-"+tier); said != 1 {
				t.Errorf("%s does not say that it is ccs-%s", p.process, tier)
			}
		}
	}
}
