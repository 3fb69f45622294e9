package smoke

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// restore plays one deletion: Flowkeeper's create from the snapshot must make an equivalent flow log, and only
// one even if the call is repeated.
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

// otherPrincipal asks whether a ClientToken is used up for the whole account, or for one principal.
func (r *run) otherPrincipal() {
	const question = "a token that another principal of the account has used"
	if r.OtherPrincipal == nil {
		r.skip(question, "FLOWKEEPER_SMOKE_OTHER_ROLE_ARN")
		return
	}
	in := r.input(r.VPC)
	before, answer := r.createBy(r.OtherPrincipal, in)
	if len(before) != 1 {
		r.note(question, "the other principal can't use it: "+answer)
		return
	}
	now, answer := r.create(in)
	r.note(question+", same parameters", sameID(before, now, answer))
	other := r.input(r.VPC) // with another prefix, so that only the token can be a reason to refuse
	other.ClientToken = in.ClientToken
	_, answer = r.create(other)
	r.note(question+", other parameters", answer)
}

// otherRegion asks whether a ClientToken is used up in other Regions, too.
func (r *run) otherRegion() {
	const question = "a token that was used in another Region"
	if r.far == nil {
		r.skip(question, "FLOWKEEPER_SMOKE_OTHER_REGION and FLOWKEEPER_SMOKE_OTHER_VPC")
		return
	}
	in := r.input(r.VPC)
	if ids, answer := r.create(in); len(ids) != 1 {
		r.note(question, "it can't be used here: "+answer)
		return
	}
	there := r.input(r.far.VPC)
	there.ClientToken = in.ClientToken
	_, answer := r.far.create(there)
	r.note(question, answer)
}

// trafficTypes makes a flow log for accepted traffic and one for rejected traffic, with the same destination.
func (r *run) trafficTypes() {
	bucket := r.input(r.VPC)
	r.bothTypes("one S3 prefix", bucket)
	if r.LogGroup == "" || r.Role == "" {
		r.skip("REJECT and ACCEPT to one log group", "FLOWKEEPER_SMOKE_LOG_GROUP and FLOWKEEPER_SMOKE_ROLE_ARN")
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

// several asks in which order AWS returns the IDs of a call for several resources.
func (r *run) several() {
	if len(r.Resources) < 2 {
		r.skip("FlowLogIds of several resources", "FLOWKEEPER_SMOKE_RESOURCES")
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
	if len(ids) == 0 {
		return
	}
	again, answer := r.create(in)
	r.note("the same call for several, again", sameID(ids, again, answer))
}

// partial asks how AWS refuses one of several resources, and what it answers if the call is repeated.
func (r *run) partial() {
	if len(r.Resources) < 2 {
		r.skip("one of several exists already", "FLOWKEEPER_SMOKE_RESOURCES")
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

// ask asks what AWS answers to a create with some change: as a dry run, for one resource, and for several.
func (r *run) ask(question string, change func(*ec2.CreateFlowLogsInput)) {
	in := r.input(r.VPC)
	change(in)
	dry := *in
	dry.DryRun = aws.Bool(true)
	_, answer := r.create(&dry)
	r.note(question+", a dry run", answer)
	_, answer = r.create(in)
	r.note(question, answer)
	if len(r.Resources) < 2 {
		r.skip(question+", for several", "FLOWKEEPER_SMOKE_RESOURCES")
		return
	}
	in = r.input(r.Resources...)
	change(in)
	_, answer = r.create(in)
	r.note(question+", for several", answer)
}

func (r *run) missingBucket() {
	partition, _, _ := strings.Cut(r.BucketARN, ":::")
	r.ask("a bucket that does not exist", func(in *ec2.CreateFlowLogsInput) {
		in.LogDestination = aws.String(partition + ":::flowkeeper-smoke-" + strings.ToLower(rand.Text())) // a random name that no bucket has
	})
}

// pair makes two flow logs; it returns nothing if AWS refuses one.
func (r *run) pair(question string) (ids []string) {
	for range 2 {
		made, answer := r.create(r.input(r.VPC))
		if len(made) != 1 {
			r.note(question, answer)
			return nil
		}
		ids = append(ids, made...)
	}
	return ids
}

// tags sets a tag on new flow logs: on several in one call, and on several of which one is deleted.
func (r *run) tags() {
	const question = "CreateTags of two"
	ids := r.pair(question)
	if ids == nil {
		return
	}
	x := aws.String("x")
	var answer string
	took, ok := r.until(func() bool {
		answer = r.tag(types.Tag{Key: aws.String("flowkeeper:smoke-new"), Value: x}, ids[1])
		return answer == taken
	})
	if ok {
		answer = took.Round(time.Millisecond).String()
	}
	r.note("how long until a new flow log can be tagged", answer)
	for _, id := range ids {
		r.appears(id)
	}
	r.note(question, r.tag(types.Tag{Key: aws.String("flowkeeper:smoke-more"), Value: x}, ids...))
	r.remove(ids[1])
	late := types.Tag{Key: aws.String("flowkeeper:smoke-late"), Value: x}
	answer = r.tag(late, ids...)
	if _, tagged := r.await(func(found map[string]inventory.FlowLog) bool { return found[ids[0]].Tags[*late.Key] != "" }, ids[0]); tagged {
		answer += "; the other one has the tag"
	} else {
		answer += "; the other one does not have the tag"
	}
	r.note(question+", of which one was deleted", answer)
}

// deletions deletes two flow logs in one call, of which one is deleted already.
func (r *run) deletions() {
	const question = "DeleteFlowLogs of two, of which one was deleted"
	ids := r.pair(question)
	if ids == nil {
		return
	}
	for _, id := range ids {
		r.appears(id)
	}
	r.remove(ids[1])
	out, err := r.api.DeleteFlowLogs(r.ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	if err != nil {
		r.note(question, failure(err))
		return
	}
	r.note(question, strings.Join(append([]string{"done"}, items(out.Unsuccessful)...), "; "))
	r.disappear(ids[0])
}

// tagPolicies asks how policies refuse tags, or flow logs without a tag.
func (r *run) tagPolicies() {
	r.refusedTag("a tag that a tag policy refuses", "FLOWKEEPER_SMOKE_BAD_TAG", r.BadTag)
	r.taggedBefore()
	r.refusedTag("a tag that an SCP or IAM denies", "FLOWKEEPER_SMOKE_DENIED_TAG", r.DeniedTag)
	const question = "without a tag that a policy demands"
	if needed, given := tagOf(r.NeededTag); given {
		r.ask(question, func(in *ec2.CreateFlowLogsInput) {
			tags := &in.TagSpecifications[0].Tags
			*tags = slices.DeleteFunc(*tags, func(t types.Tag) bool { return *t.Key == *needed.Key })
		})
	} else {
		r.skip(question, "FLOWKEEPER_SMOKE_NEEDED_TAG")
	}
}

// refusedTag sets a tag that is refused: with the create, and later.
func (r *run) refusedTag(question, variable, text string) {
	tag, given := tagOf(text)
	if !given {
		r.skip(question, variable)
		return
	}
	r.ask(question, func(in *ec2.CreateFlowLogsInput) {
		in.TagSpecifications[0].Tags = append(in.TagSpecifications[0].Tags, tag)
	})
	question += ", CreateTags of two"
	ids := r.pair(question)
	if ids == nil {
		return
	}
	for _, id := range ids {
		r.appears(id)
	}
	r.note(question, r.tag(tag, ids...))
}

// taggedBefore asks about the user's flow log that has a tag which a policy refuses by now. It makes dry runs
// only, and sets the tag to the value that it has.
func (r *run) taggedBefore() {
	const question = "the refused tag on a flow log that has had it since before"
	tag, given := tagOf(r.BadTag)
	if r.TaggedFlowLog == "" || !given {
		r.skip(question, "FLOWKEEPER_SMOKE_TAGGED_FLOW_LOG and FLOWKEEPER_SMOKE_BAD_TAG")
		return
	}
	found, err := inventory.ByID(r.ctx, inventory.Scope{}, r.api, []string{r.TaggedFlowLog})
	if err != nil {
		r.note(question, failure(err))
		return
	}
	f := found[r.TaggedFlowLog]
	if value, set := f.Tags[*tag.Key]; !set || value != *tag.Value {
		r.note(question, "not asked: "+r.TaggedFlowLog+" does not have the tag")
		return
	}
	in := incident.CreateInput(incident.Incident{FlowLogID: f.ID, ResourceID: f.ResourceID, Frozen: f.Settings}, "flowkeeper-smoke-tagged-"+r.Run)
	in.DryRun = aws.Bool(true)
	_, answer := r.create(in)
	r.note(question+", a dry run of its restore", answer)
	r.note(question+", CreateTags of the same tag again", r.tag(tag, f.ID))
}
