package simulate

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
)

const (
	region2   = "us-east-1" // the second Region, in a third of the plays
	elsewhere = "vpc-east-" // the prefix of resources there
)

// regionOf is the Region of a resource; of an unknown one, the first Region.
func regionOf(resource string) string {
	if strings.HasPrefix(resource, elsewhere) {
		return region2
	}
	return region
}

func in(region string) func(*ec2.Options) { return func(o *ec2.Options) { o.Region = region } }

// scopes are the scopes that the daemons protect.
func (p *play) scopes() (out []inventory.Scope) {
	for _, r := range p.regions {
		out = append(out, inventory.Scope{Account: account, Region: r})
	}
	return out
}

func (p *play) anyScope() inventory.Scope {
	return inventory.Scope{Account: account, Region: p.regions[p.random.IntN(len(p.regions))]}
}

// oneRegion keeps the flow logs that are in the Region of the first.
func oneRegion(all []fakeaws.FlowLog) []fakeaws.FlowLog {
	if len(all) == 0 {
		return nil
	}
	r := regionOf(all[0].ResourceID)
	return slices.DeleteFunc(all, func(f fakeaws.FlowLog) bool { return regionOf(f.ResourceID) != r })
}
