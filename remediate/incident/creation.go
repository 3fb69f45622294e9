package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
)

// Creation is one CreateFlowLogs call: for one incident, or for several of one event whose
// calls are equal except for resource and tags. Its members and their order are fixed: other
// members are another call, with another token.
type Creation struct {
	Incidents []Incident // by flow log ID; at least one
	Token     string
}

// newCreation is the call for some incidents.
func newCreation(incidents []Incident, key TokenKey) Creation {
	slices.SortFunc(incidents, func(a, b Incident) int { return strings.Compare(a.FlowLogID, b.FlowLogID) })
	first := incidents[0]
	if len(incidents) == 1 {
		return Creation{incidents, key.Token(first)}
	}
	of := []string{first.Group}
	for _, i := range incidents {
		member := fmt.Sprintf("%s %d", i.FlowLogID, i.Generation)
		if i.RandomToken != "" { // that incident's own token is not made with the key
			member += " " + i.RandomToken
		}
		of = append(of, member)
	}
	return Creation{incidents, key.sign(first.Scope, len(incidents), of...)}
}

// Input returns the call's parameters. A call for several has the tags that all of them share;
// the other tags of each follow by CreateTags.
func (g Creation) Input() *ec2.CreateFlowLogsInput {
	if len(g.Incidents) == 1 {
		return CreateInput(g.Incidents[0], g.Token)
	}
	first, shared := g.Incidents[0], g.commonTags()
	in := CreateInput(first, g.Token)
	in.ResourceIds = nil
	for _, i := range g.Incidents {
		in.ResourceIds = append(in.ResourceIds, i.ResourceID)
	}
	if from := first.Group; len(shared) < inventory.MostTags && from != "" {
		shared[RestoredFrom] = from
	}
	in.TagSpecifications = tagSpecifications(shared)
	return in
}

// commonTags are the own tags that all of the lost flow logs had.
func (g Creation) commonTags() map[string]string {
	shared := ownTags(g.Incidents[0].Frozen.Tags)
	for _, i := range g.Incidents[1:] {
		own := ownTags(i.Frozen.Tags)
		maps.DeleteFunc(shared, func(k, v string) bool { have, ok := own[k]; return !ok || have != v })
	}
	return shared
}

// mostPerCall is how many resources one call takes (docs/aws.md, "Creating flow logs").
func mostPerCall(s inventory.Settings) int {
	if s.TransitGateway() {
		return 25
	}
	return MostResources
}

// mostMembers is how many incidents a call for i may have.
func mostMembers(i Incident) int {
	if i.AtMost > 0 {
		return min(i.AtMost, mostPerCall(i.Frozen))
	}
	return mostPerCall(i.Frozen)
}

// MostResources is how many resources one CreateFlowLogs call takes; of transit gateways
// and their attachments it takes fewer.
const MostResources = 300
