package smoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

// Tag is the key of a tag that all flow logs of a run have. Its value is [Options.Run].
const Tag = "flowkeeper:smoke"

// EC2 is the part of *ec2.Client that a run calls.
type EC2 interface {
	inventory.Describer
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
	DeleteFlowLogs(context.Context, *ec2.DeleteFlowLogsInput, ...func(*ec2.Options)) (*ec2.DeleteFlowLogsOutput, error)
	CreateTags(context.Context, *ec2.CreateTagsInput, ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error)
}

// Options say on which resources a run makes flow logs. If a question lacks what it needs, it is not asked, and
// its row says which variable to set. Tags are KEY=VALUE.
type Options struct {
	Run       string   // names the run; letters and digits
	VPC       string   // required
	BucketARN string   // required: it may take flow logs of the VPC
	Resources []string // two or more of one other type, for example subnets
	LogGroup  string   // a log group; Role is the role that delivers to it
	Role      string

	OtherPrincipal EC2    // of the same account, in the same Region
	OtherRegion    EC2    // of the same account, in another Region; needs OtherVPC
	OtherVPC       string // in that Region; the bucket must accept its flow logs, too

	BadTag        string // a tag policy of the organization refuses it
	DeniedTag     string // a policy with the condition aws:RequestTag denies it: an SCP, or one of IAM
	NeededTag     string // a policy demands it: all flow logs of the run have it
	TaggedFlowLog string // a flow log of the user's that got BadTag before the policy existed; the run does not change it

	Patience time.Duration // how long to wait until AWS shows a change
	Every    time.Duration // the time between two calls while waiting
	Say      func(format string, args ...any)
}

// Row is a question and what AWS answered.
type Row struct{ Question, Answer string }

func (o Options) asksOtherRegion() bool { return o.OtherRegion != nil && o.OtherVPC != "" }

// Plan says what Ask will do.
func (o Options) Plan() string {
	on := append([]string{o.VPC}, o.Resources...)
	if o.asksOtherRegion() {
		on = append(on, o.OtherVPC+" in the other Region")
	}
	to := o.BucketARN + "/flowkeeper-smoke/"
	if o.LogGroup != "" {
		to += " and log group " + o.LogGroup
	}
	return fmt.Sprintf("makes up to 47 flow logs, a few at a time and each for some minutes, on %s, which deliver to %s; all have the tag %s=%s; deletes them, also after a failure and after Ctrl-C; changes nothing else. "+
		"Its calls are free; AWS bills what these flow logs deliver, as that of any flow log, and storing it: that stays where it was delivered",
		strings.Join(on, ", "), to, Tag, o.Run)
}

// Ask asks all questions. In any case, also when ctx ends, it deletes the flow logs that it made. If that
// fails, the error names those that are left.
func Ask(ctx context.Context, api EC2, o Options) (rows []Row, err error) {
	r := &run{place: &place{Options: o, api: api, ctx: ctx}}
	places := []*place{r.place}
	if o.asksOtherRegion() {
		there := o
		there.VPC, there.Resources = o.OtherVPC, nil
		r.far = &place{Options: there, api: o.OtherRegion, ctx: ctx}
		places = append(places, r.far)
	}
	defer func() {
		rows = r.rows
		for _, each := range places {
			err = errors.Join(err, each.cleanUp())
		}
	}()
	for _, q := range []func(){r.restore, r.spentToken, r.otherPrincipal, r.otherRegion, r.trafficTypes, r.several, r.partial, r.missingBucket, r.tags, r.deletions, r.tagPolicies} {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		q()
		for _, each := range places {
			each.remove(slices.Clone(each.made)...)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.note("how long until a new flow log is described", spread(r.shown))
	r.note("how long until a deleted one is not described", spread(r.gone))
	return nil, nil
}

// run is one run.
type run struct {
	*place // the Region in which the questions are asked
	far    *place
	rows   []Row
}

func (r *run) note(question, answer string) {
	if r.ctx.Err() != nil {
		return // the answer is not AWS's
	}
	r.Say("%s: %s", question, answer)
	r.rows = append(r.rows, Row{question, answer})
}

// skip notes a question that is not asked.
func (r *run) skip(question, variables string) { r.note(question, "not asked: set "+variables) }

// place is a Region in which a run makes and deletes flow logs.
type place struct {
	Options
	api EC2
	ctx context.Context // for the questions; cleanUp has a context of its own

	made        []string // flow logs that are made and not deleted yet
	unanswered  bool     // a create without an answer may have made a flow log
	calls       int
	shown, gone []time.Duration
}

// input is a create on resources, with its own destination and ClientToken.
func (p *place) input(resources ...string) *ec2.CreateFlowLogsInput {
	p.calls++
	tags := []types.Tag{{Key: aws.String(Tag), Value: aws.String(p.Run)}}
	if needed, given := tagOf(p.NeededTag); given {
		tags = append(tags, needed)
	}
	return &ec2.CreateFlowLogsInput{
		ResourceIds: resources, ResourceType: kindOf(resources[0]), TrafficType: types.TrafficTypeReject,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String(fmt.Sprintf("%s/flowkeeper-smoke/%d", p.BucketARN, p.calls)),
		MaxAggregationInterval: aws.Int32(60), ClientToken: aws.String(fmt.Sprintf("flowkeeper-smoke-%s-%d", p.Run, p.calls)),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: tags}},
	}
}

// tagOf reads KEY=VALUE.
func tagOf(text string) (t types.Tag, given bool) {
	key, value, given := strings.Cut(text, "=")
	return types.Tag{Key: &key, Value: &value}, given
}

func kindOf(id string) types.FlowLogsResourceType {
	return incident.CreateInput(incident.Incident{Frozen: inventory.Settings{ResourceID: id}}, "").ResourceType
}

// create makes a call, remembers what it made, and says what AWS answered.
func (p *place) create(in *ec2.CreateFlowLogsInput) (ids []string, answer string) {
	return p.createBy(p.api, in)
}

// createBy is create by another principal of the same account, in the same Region.
func (p *place) createBy(who EC2, in *ec2.CreateFlowLogsInput) (ids []string, said string) {
	out, err := who.CreateFlowLogs(p.ctx, in)
	if err != nil {
		p.unanswered = p.unanswered || !answer.OfError(err).NoEffect
		return nil, failure(err)
	}
	for _, id := range out.FlowLogIds {
		if !slices.Contains(p.made, id) && id != p.TaggedFlowLog {
			p.made = append(p.made, id)
		}
	}
	return out.FlowLogIds, strings.Join(append([]string{fmt.Sprintf("%d made", len(out.FlowLogIds))}, items(out.Unsuccessful)...), "; ")
}

func items(unsuccessful []types.UnsuccessfulItem) (parts []string) {
	for _, u := range unsuccessful {
		e := cmp.Or(u.Error, &types.UnsuccessfulItemError{})
		parts = append(parts, fmt.Sprintf("item %s: %s %q", aws.ToString(u.ResourceId), aws.ToString(e.Code), aws.ToString(e.Message)))
	}
	return parts
}

// tag calls CreateTags, and says what AWS answered; "taken" means that it set the tags.
func (p *place) tag(t types.Tag, ids ...string) string {
	if _, err := p.api.CreateTags(p.ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []types.Tag{t}}); err != nil {
		return failure(err)
	}
	return taken
}

const taken = "taken"

func failure(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Sprintf("the call fails: %s %q", e.ErrorCode(), e.ErrorMessage())
	}
	return "no answer: " + err.Error()
}

// appears waits until DescribeFlowLogs shows a flow log. ok is false if it does not in time.
func (p *place) appears(id string) (f inventory.FlowLog, ok bool) {
	took, ok := p.await(func(found map[string]inventory.FlowLog) bool { f = found[id]; return f.ID != "" }, id)
	if ok {
		p.shown = append(p.shown, took)
	}
	return f, ok
}

// remove deletes flow logs, and waits until DescribeFlowLogs does not show them. It leaves to cleanUp those
// that AWS does not delete.
func (p *place) remove(ids ...string) {
	if len(ids) == 0 {
		return
	}
	out, err := p.api.DeleteFlowLogs(p.ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	if err != nil {
		return
	}
	for _, u := range out.Unsuccessful {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == aws.ToString(u.ResourceId) })
	}
	p.disappear(ids...)
}

// disappear waits until DescribeFlowLogs does not show deleted flow logs.
func (p *place) disappear(ids ...string) {
	if len(ids) == 0 {
		return // a filter without values could show what is not ours
	}
	if took, ok := p.await(func(found map[string]inventory.FlowLog) bool { return len(found) == 0 }, ids...); ok {
		p.gone = append(p.gone, took)
		p.made = slices.DeleteFunc(p.made, func(id string) bool { return slices.Contains(ids, id) })
	}
}

func (p *place) await(done func(map[string]inventory.FlowLog) bool, ids ...string) (took time.Duration, ok bool) {
	return p.until(func() bool {
		found, err := inventory.ByID(p.ctx, inventory.Scope{}, p.api, ids)
		return err == nil && done(found)
	})
}

// until calls done until it returns true. ok is false if it does not in time.
func (p *place) until(done func() bool) (took time.Duration, ok bool) {
	began := time.Now()
	for p.ctx.Err() == nil && time.Since(began) < p.Patience {
		if done() {
			return time.Since(began), true
		}
		select {
		case <-time.After(p.Every):
		case <-p.ctx.Done():
		}
	}
	return 0, false
}

// cleanUp deletes all flow logs that the run made, and those of creates without an answer. It ends when
// DescribeFlowLogs shows none of them; if some may not be shown yet, when it has shown none for a while.
func (p *place) cleanUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), max(time.Minute, p.Patience))
	defer cancel()
	p.ctx = ctx
	rounds := 1
	if p.unanswered || len(p.made) > 0 {
		rounds = 10
	}
	for _, id := range p.made {
		p.drop(id)
	}
	for clean := 0; clean < rounds; clean++ {
		left, err := p.left()
		switch {
		case len(left) > 0:
			clean = -1
		case err != nil:
			clean--
		}
		for _, id := range left {
			p.drop(id)
		}
		select {
		case <-time.After(p.Every):
		case <-ctx.Done():
			return fmt.Errorf("these may be left, and others on %s with the tag %s=%s: delete them by hand: %s", strings.Join(p.resources(), " "), Tag, p.Run, strings.Join(append(left, p.made...), " "))
		}
	}
	return nil
}

// drop deletes one flow log in a call of its own, so that one that can't be deleted does not prevent the
// deletion of others. Its error does not matter: left finds out whether the flow log is gone.
func (p *place) drop(id string) {
	_, _ = p.api.DeleteFlowLogs(p.ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
}

// left are the flow logs of the run that DescribeFlowLogs shows: those whose IDs AWS answered, and those on the
// run's resources that have its tag.
func (p *place) left() (ids []string, err error) {
	if len(p.made) > 0 { // a filter without values could show what is not ours
		found, err := inventory.ByID(p.ctx, inventory.Scope{}, p.api, p.made)
		if err != nil {
			return nil, err
		}
		ids = slices.DeleteFunc(slices.Clone(p.made), func(id string) bool { return found[id].ID == "" })
	}
	pages := ec2.NewDescribeFlowLogsPaginator(p.api, &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String("resource-id"), Values: p.resources()}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(p.ctx)
		if err != nil {
			return ids, err
		}
		for _, f := range page.FlowLogs {
			ours := slices.ContainsFunc(f.Tags, func(t types.Tag) bool { return aws.ToString(t.Key) == Tag && aws.ToString(t.Value) == p.Run })
			if id := aws.ToString(f.FlowLogId); ours && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

// resources are those on which the run makes flow logs.
func (p *place) resources() []string { return append([]string{p.VPC}, p.Resources...) }

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "not seen"
	}
	return fmt.Sprintf("%s to %s, of %d", slices.Min(all).Round(time.Millisecond), slices.Max(all).Round(time.Millisecond), len(all))
}

// Table is the rows as a Markdown table, which people can send to the project.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| question | AWS answers |\n| --- | --- |\n")
	for _, x := range rows {
		fmt.Fprintf(&b, "| %s | %s |\n", x.Question, strings.ReplaceAll(x.Answer, "|", `\|`))
	}
	return b.String()
}
