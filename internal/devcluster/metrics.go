package devcluster

import "fmt"

// MetricsAddress is where a process shows its metrics and health over HTTP, as
// host:port. etcd has none of ours.
func (c *Cluster) MetricsAddress(name string) (string, error) {
	for _, p := range c.plan.parts {
		if addr := p.addresses[keyMetrics]; p.name == name && addr != "" {
			return addr, nil
		}
	}
	return "", fmt.Errorf("%w that shows metrics: %q", ErrUnknownProcess, name)
}
