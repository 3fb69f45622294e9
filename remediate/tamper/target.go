package tamper

import (
	"cmp"
	"fmt"
	"strings"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

// TargetOf is the ARN of the resource that a call changes, made from cloudtrail.Record.Target, whose
// form depends on the service. Empty: the record does not name the resource.
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
		bus := r.Bus[strings.LastIndex(r.Bus, "/")+1:] // may be an ARN
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

// place has the first parts of the delivery.ResourceKeys of the resources in one place. Region and
// account are empty for buckets, the Region for roles.
type place struct{ service, region, account string }

// placeOf is the place of the resource that a call changes, even if the record does not name it.
func placeOf(r cloudtrail.Record) place {
	r.Target = "any"
	return placeOfKey(delivery.KeyOf(TargetOf(r)))
}

// placeOfKey is the place of a resource; zero if the key is none.
func placeOfKey(k delivery.ResourceKey) place {
	p := strings.SplitN(string(k), ":", 4)
	if len(p) != 4 {
		return place{}
	}
	return place{p[0], p[1], p[2]}
}

// prefix begins the keys of all resources there.
func (p place) prefix() string {
	return strings.Join([]string{p.service, p.region, p.account, ""}, ":")
}

// keys are the bounds of the keys of all resources there.
func (p place) keys() (first, last delivery.ResourceKey) {
	return delivery.ResourceKey(p.prefix()), delivery.ResourceKey(p.prefix() + "\U0010FFFF")
}
