package tamper

import (
	"strings"

	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// Dependency is something that Flowkeeper needs beside what the snapshot
// names: by the configuration, or by the queue's own attributes.
type Dependency struct {
	ARN string // may be a pattern, in which * stands for any text
	As  string // "the queue that events come by"
}

// covers reports whether an ARN is of this dependency.
func (d Dependency) covers(arn string) bool {
	return incident.Match(string(delivery.KeyOf(d.ARN)), string(delivery.KeyOf(arn)))
}

// within reports whether a dependency may be of a service in a place.
func (d Dependency) within(service, region, account string) bool {
	p := strings.SplitN(string(delivery.KeyOf(d.ARN)), ":", 4)
	return len(p) == 4 && incident.Match(p[0], service) && incident.Match(p[1], region) && incident.Match(p[2], account)
}
