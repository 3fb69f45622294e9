package tamper

import (
	"cmp"
	"fmt"
	"strings"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
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

// placeOf is where the thing is that a call changes, as ThingOf begins it:
// service, Region and account. A bucket's name says neither Region nor account.
func placeOf(r cloudtrail.Record) (service, region, account string) {
	r.Target = "any"
	p := strings.SplitN(string(delivery.KeyOf(TargetOf(r))), ":", 4)
	if len(p) != 4 {
		return "", "", ""
	}
	return p[0], p[1], p[2]
}

// Unstated reports whether a record does not say what its call changes.
// CloudTrail leaves out parameters that are larger than 100 KB, and a caller
// can make them so: white space in a policy counts.
func Unstated(r cloudtrail.Record) bool { return TargetOf(r) == "" }
