package task

import "math"

// Resource is what a limit of the kernel bounds for each process of a command
// (setrlimit(2)). The numbers are ours, signed in capsules, and never change.
type Resource uint8

// The closed set of resources. Descriptors are not among them: they have a limit
// of their own in every layer.
const (
	ResourceAS      Resource = 1 // bytes of address space
	ResourceCore    Resource = 2 // bytes of a core file
	ResourceCPU     Resource = 3 // seconds of CPU time
	ResourceData    Resource = 4 // bytes of data segment, heap and private maps
	ResourceFSize   Resource = 5 // bytes of a file that is written
	ResourceMemLock Resource = 6 // bytes that are locked in memory
	ResourceNProc   Resource = 7 // processes and threads of the account, on the whole host
	ResourceStack   Resource = 8 // bytes of a stack
)

// resourceNames are the names, as ulimit and systemd have them.
var resourceNames = [...]string{
	ResourceAS: "as", ResourceCore: "core", ResourceCPU: "cpu", ResourceData: "data", ResourceFSize: "fsize",
	ResourceMemLock: "memlock", ResourceNProc: "nproc", ResourceStack: "stack",
}

// Resources is every resource, ascending.
func Resources() []Resource {
	all := make([]Resource, 0, len(resourceNames))
	for r := ResourceAS; r.Valid(); r++ {
		all = append(all, r)
	}
	return all
}

// Valid reports whether the resource is one of the set.
func (r Resource) Valid() bool { return r >= ResourceAS && int(r) < len(resourceNames) }

// String is the name, or "" of what is not a resource.
func (r Resource) String() string {
	if !r.Valid() {
		return ""
	}
	return resourceNames[r]
}

// ParseResource is the resource of a name; false: there is none of it.
func ParseResource(name string) (Resource, bool) {
	for _, r := range Resources() {
		if r.String() == name {
			return r, true
		}
	}
	return 0, false
}

// Unlimited as the value of a limit lifts it, where the host allows that.
const Unlimited = math.MaxUint64

// Rlimit is a limit of each process, soft and hard alike.
type Rlimit struct {
	Resource Resource
	Value    uint64 // in the unit of the resource, or Unlimited
}

// Bounds of what a command may ask for beside its limits.
const (
	MaxUmask       = 0o777
	MaxOOMScoreAdj = 1000 // killed first; lower than the host's own is not to be had
)

// RlimitFault says what is wrong with a list of limits; empty: nothing is. They
// are ascending by resource, each at most once, so that a list has one form.
func RlimitFault(limits []Rlimit) string {
	last := Resource(0)
	for _, l := range limits {
		switch {
		case !l.Resource.Valid():
			return "an rlimit is of a resource that is not known here"
		case l.Resource == last:
			return "rlimit " + l.Resource.String() + " is given twice"
		case l.Resource < last:
			return "rlimit " + l.Resource.String() + " is out of order"
		}
		last = l.Resource
	}
	return ""
}
