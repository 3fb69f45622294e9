package delivery

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// ResourceKey identifies a resource that flow logs or Flowkeeper depend on. All ARNs of the
// resource have the same key: it has no partition, no path of a role and no prefix in a
// bucket.
type ResourceKey string

// KeyOf is the key of the resource that an ARN names; empty if the text is not an ARN.
func KeyOf(text string) ResourceKey {
	p, err := arn.Parse(text)
	if err != nil || p.Resource == "" {
		return ""
	}
	region, account, name := p.Region, p.AccountID, p.Resource
	switch p.Service {
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
	return ResourceKey(strings.Join([]string{p.Service, region, account, name}, ":"))
}

// Name is the name of the resource, without its type.
func (k ResourceKey) Name() string {
	p := strings.SplitN(string(k), ":", 4)
	name := p[len(p)-1]
	for _, kind := range []string{"deliverystream/", "trail/", "rule/", "key/"} {
		name = strings.TrimPrefix(name, kind)
	}
	return name
}
