package remediate

import (
	"cmp"
	"fmt"
	"strings"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Thing names something that flow logs or Flowkeeper depend on, alike however
// an ARN writes it: without partition, path of a role, prefix in a bucket.
type Thing string

// ThingOf an ARN; empty where the text is none.
func ThingOf(arn string) Thing {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[5] == "" {
		return ""
	}
	service, region, account, name := p[2], p[3], p[4], p[5]
	switch service {
	case "s3":
		region, account = "", ""
		name, _, _ = strings.Cut(name, "/")
	case "logs":
		name = strings.TrimPrefix(name, "log-group:")
		name, _, _ = strings.Cut(name, ":")
	case "iam":
		name = name[strings.LastIndex(name, "/")+1:]
	case "events":
		name = strings.Replace(name, "rule/default/", "rule/", 1)
	}
	return Thing(strings.Join([]string{service, region, account, name}, ":"))
}

// name is what people call it.
func (t Thing) name() string {
	p := strings.SplitN(string(t), ":", 4)
	name := p[len(p)-1]
	for _, kind := range []string{"deliverystream/", "trail/", "rule/", "key/"} {
		name = strings.TrimPrefix(name, kind)
	}
	return name
}

// Things are what the needs name.
func (n Needs) Things() (out []Thing) {
	for _, arn := range []string{n.Destination, n.Role, n.CrossAccountRole} {
		if t := ThingOf(arn); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// use is what a thing is to flow logs with these needs.
func (n Needs) use(t Thing) string {
	switch t {
	case ThingOf(n.Destination):
		return destinationUse
	case ThingOf(n.Role):
		return roleUse
	}
	return crossRoleUse
}

const (
	destinationUse = "the destination"
	roleUse        = "the delivery role"
	crossRoleUse   = "the cross-account role"
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
	return incident.Match(string(ThingOf(d.ARN)), string(ThingOf(arn)))
}
