package export

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// figure is what every process tells of itself, under the names that
// Prometheus' own library has for it.
type figure struct {
	name string
	kind obs.Kind
	help string
	read func() (value float64, ok bool)
}

func figures() []figure {
	return []figure{
		{"go_goroutines", obs.KindGauge, "Goroutines.", runtimeMetric("/sched/goroutines:goroutines")},
		{"go_memstats_heap_alloc_bytes", obs.KindGauge, "Bytes of objects on the heap.", runtimeMetric("/memory/classes/heap/objects:bytes")},
		{"go_memstats_sys_bytes", obs.KindGauge, "Bytes that the Go runtime has from the system.", runtimeMetric("/memory/classes/total:bytes")},
		{"process_cpu_seconds_total", obs.KindCounter, "CPU time used, in seconds.", cpuSeconds},
		{"process_resident_memory_bytes", obs.KindGauge, "Resident memory, in bytes.", residentBytes},
		{"process_open_fds", obs.KindGauge, "Open file descriptors.", openFiles},
		{"process_max_fds", obs.KindGauge, "File descriptors that may be open.", maxFiles},
	}
}

// writeProcess writes what can be read of the process.
func writeProcess(page *bytes.Buffer) {
	for _, f := range figures() {
		if value, ok := f.read(); ok {
			head(page, f.name, string(f.kind), f.help)
			sample(page, f.name, "", number(value))
		}
	}
}

// runtimeMetric reads a metric of the Go runtime without stopping it.
func runtimeMetric(name string) func() (float64, bool) {
	return func() (float64, bool) {
		read := []metrics.Sample{{Name: name}}
		metrics.Read(read)
		if read[0].Value.Kind() != metrics.KindUint64 {
			return 0, false
		}
		return float64(read[0].Value.Uint64()), true
	}
}

func cpuSeconds() (float64, bool) {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0, false
	}
	seconds := func(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime), true
}

// residentBytes is the second number of statm, in pages.
func residentBytes() (float64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return float64(pages) * float64(os.Getpagesize()), err == nil
}

func openFiles() (float64, bool) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, false
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()                            // nothing was written
	return float64(len(names) - 1), err == nil // but for the one that reads
}

func maxFiles() (float64, bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return float64(limit.Cur), true
}
