package tamper

import (
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

// within reports whether a dependency may be in a place.
func (d Dependency) within(p place) bool {
	own := placeOfKey(delivery.KeyOf(d.ARN))
	return incident.Match(own.service, p.service) && incident.Match(own.region, p.region) && incident.Match(own.account, p.account)
}
