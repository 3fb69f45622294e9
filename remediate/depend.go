package remediate

import (
	"cmp"
	"fmt"
	"strings"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// TargetOf is the ARN of what a call changes, of cloudtrail.Record.Target in
// whatever form its service has that; empty where the record does not tell.
func TargetOf(r cloudtrail.Record) string {
	if r.Target == "" || strings.HasPrefix(r.Target, "arn:") {
		return r.Target
	}
	service, _, _ := strings.Cut(r.EventSource, ".")
	region, account, resource := r.Region, r.Account, r.Target
	switch service {
	case "logs":
		resource = "log-group:" + r.Target
	case "s3":
		region, account = "", ""
	case "iam":
		region, resource = "", "role/"+r.Target
	case "firehose":
		resource = "deliverystream/" + r.Target
	case "kms":
		resource = "key/" + r.Target
	case "cloudtrail":
		resource = "trail/" + r.Target
	case "events":
		bus := r.Bus[strings.LastIndex(r.Bus, "/")+1:] // an ARN, too
		if resource = "rule/" + r.Target; cmp.Or(bus, "default") != "default" {
			resource = "rule/" + bus + "/" + r.Target
		}
	case "sqs":
		p := strings.Split(r.Target, "/")
		resource = p[len(p)-1]
		if len(p) > 1 {
			account = p[len(p)-2]
		}
	}
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", inventory.Partition(r.Region), service, region, account, resource)
}

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
