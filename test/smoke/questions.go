package smoke

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// restore lives through one deletion: what Flowkeeper makes from the snapshot is to be
// equivalent to what was there, and made once however often it is asked.
func (r *run) restore() {
	first := r.input(r.VPC)
	first.LogFormat = aws.String("${version} ${vpc-id} ${srcaddr} ${dstaddr} ${action}")
	first.DestinationOptions = &types.DestinationOptionsRequest{FileFormat: types.DestinationFileFormatParquet, HiveCompatiblePartitions: aws.Bool(true)}
	ids, answer := r.create(first)
	if len(ids) != 1 {
		r.note("a flow log", answer)
		return
	}
	lost, ok := r.appears(ids[0])
	if !ok {
		r.note("a flow log", "made, and never described")
		return
	}
	r.remove(ids...)
	in := incident.CreateInput(incident.Incident{Scope: lost.Scope, FlowLogID: lost.ID, ResourceID: r.VPC, Frozen: lost.Settings}, "flowkeeper-smoke-restore-"+r.Run)
	dry := *in
	dry.DryRun = aws.Bool(true)
	_, answer = r.create(&dry)
	r.note("a dry run of its restore", answer)
	ids, answer = r.create(in)
	if len(ids) != 1 {
		r.note("its restore", answer)
		return
	}
	switch back, ok := r.appears(ids[0]); {
	case !ok:
		r.note("its restore", "made, and never described")
	case !inventory.Equivalent(lost.Scope, lost.Settings, back):
		r.note("its restore", "NOT equivalent: "+strings.Join(inventory.Differences(lost.Scope, lost.Settings, back.Settings), ", "))
	default:
		r.note("its restore", fmt.Sprintf("equivalent; tags %v", back.Tags))
	}
	again, answer := r.create(in)
	r.note("the same call with the same token", sameID(ids, again, answer))
	other := *in
	other.ClientToken = aws.String("flowkeeper-smoke-other-" + r.Run)
	_, answer = r.create(&other)
	r.note("the same call with another token", answer)
	other = *in
	other.TrafficType = types.TrafficTypeAccept
	_, answer = r.create(&other)
	r.note("the same token with other parameters", answer)
}

func sameID(before, now []string, answer string) string {
	switch {
	case len(now) == 0:
		return answer
	case slices.Equal(before, now):
		return "the same flow log"
	}
	return "ANOTHER flow log"
}

// spentToken uses a token again after its flow log was deleted.
func (r *run) spentToken() {
	in := r.input(r.VPC)
	before, answer := r.create(in)
	if len(before) != 1 {
		r.note("a token after its flow log was deleted", answer)
		return
	}
	r.appears(before[0])
	r.remove(before...)
	after, answer := r.create(in)
	answer = sameID(before, after, answer)
	if len(after) == 1 && after[0] == before[0] {
		answer = "the same ID"
		if _, shown := r.appears(after[0]); !shown {
			answer += ", which is never described"
			r.made = slices.DeleteFunc(r.made, func(id string) bool { return id == before[0] })
		}
	}
	r.note("a token after its flow log was deleted, same parameters", answer)
	other := *in
	other.TrafficType = types.TrafficTypeAccept
	_, answer = r.create(&other)
	r.note("a token after its flow log was deleted, other parameters", answer)
}

// trafficTypes makes one for accepted and one for rejected traffic to one place.
func (r *run) trafficTypes() {
	bucket := r.input(r.VPC)
	r.bothTypes("one S3 prefix", bucket)
	if r.LogGroup == "" || r.Role == "" {
		return
	}
	group := r.input(r.VPC)
	group.LogDestinationType, group.LogDestination, group.LogGroupName, group.DeliverLogsPermissionArn = types.LogDestinationTypeCloudWatchLogs, nil, &r.LogGroup, &r.Role
	r.bothTypes("one log group", group)
}

func (r *run) bothTypes(place string, in *ec2.CreateFlowLogsInput) {
	_, first := r.create(in)
	other := *in
	other.TrafficType = types.TrafficTypeAccept
	other.ClientToken = aws.String(*in.ClientToken + "-accept")
	_, second := r.create(&other)
	r.note("REJECT and ACCEPT to "+place, first+"; then "+second)
	format := *in
	format.LogFormat = aws.String("${version} ${vpc-id} ${action}")
	format.ClientToken = aws.String(*in.ClientToken + "-format")
	_, third := r.create(&format)
	r.note("another format to "+place, third)
}

// several asks in which order the IDs of one call come.
func (r *run) several() {
	if len(r.Resources) < 2 {
		return
	}
	order := slices.Clone(r.Resources)
	slices.Reverse(order)
	in := r.input(order...)
	ids, answer := r.create(in)
	if len(ids) == len(order) {
		var on []string
		for _, id := range ids {
			f, _ := r.appears(id)
			on = append(on, f.ResourceID)
		}
		answer = "in the order of the resources"
		if !slices.Equal(on, order) {
			answer = fmt.Sprintf("for %v the IDs are of %v", order, on)
		}
	}
	r.note("FlowLogIds of several resources", answer)
	again, answer := r.create(in)
	r.note("the same call for several, again", sameID(ids, again, answer))
}

// partial asks how AWS refuses one of several resources, and what a repeat answers.
func (r *run) partial() {
	if len(r.Resources) < 2 {
		return
	}
	in := r.input(r.Resources...)
	alone := *in
	alone.ResourceIds, alone.ClientToken = r.Resources[:1], aws.String(*in.ClientToken+"-alone")
	if _, answer := r.create(&alone); r.ctx.Err() != nil {
		r.note("one of several exists already", answer)
		return
	}
	_, answer := r.create(in)
	r.note("one of several exists already", answer)
	_, answer = r.create(in)
	r.note("one of several exists already, the same call again", answer)
	missing, _, _ := strings.Cut(r.Resources[0], "-")
	dead := r.input(r.Resources[1], missing+"-0f10a7eeef10a7eee")
	_, answer = r.create(dead)
	r.note("one of several does not exist", answer)
	_, answer = r.create(dead)
	r.note("one of several does not exist, the same call again", answer)
	dead.ResourceIds = r.Resources[1:2]
	_, answer = r.create(dead)
	r.note("then the other alone, with the same token", answer)
}

// tags adds a tag to several flow logs in one call, of which one is gone.
func (r *run) tags() {
	var ids []string
	for range 2 {
		made, _ := r.create(r.input(r.VPC))
		ids = append(ids, made...)
	}
	if len(ids) < 2 {
		return
	}
	for _, id := range ids {
		r.appears(id)
	}
	add := func() string {
		_, err := r.api.CreateTags(r.ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []types.Tag{{Key: aws.String("flowkeeper:smoke-more"), Value: aws.String("x")}}})
		if err != nil {
			return failure(err)
		}
		return "taken"
	}
	r.note("CreateTags of two", add())
	r.remove(ids[1])
	r.note("CreateTags of two, of which one was deleted", add())
}

// tagPolicy makes one with a tag that a policy of the account refuses.
func (r *run) tagPolicy() {
	key, value, given := strings.Cut(r.BadTag, "=")
	if !given {
		return
	}
	in := r.input(r.VPC)
	in.TagSpecifications[0].Tags = append(in.TagSpecifications[0].Tags, types.Tag{Key: &key, Value: &value})
	_, answer := r.create(in)
	r.note("a tag that a tag policy refuses", answer)
}
