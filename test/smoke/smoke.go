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

// Tag is that of all flow logs that a run makes; its value is [Options.Run].
const Tag = "flowkeeper:smoke"

// EC2 is what is called of *ec2.Client.
type EC2 interface {
	inventory.Describer
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
	DeleteFlowLogs(context.Context, *ec2.DeleteFlowLogsInput, ...func(*ec2.Options)) (*ec2.DeleteFlowLogsOutput, error)
	CreateTags(context.Context, *ec2.CreateTagsInput, ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error)
}

// Options say on what flow logs are made. A question without what it needs is not asked, and
// its row says which variable to set. Tags are KEY=VALUE.
type Options struct {
	Run       string   // names the run; letters and digits
	VPC       string   // required
	BucketARN string   // required: it may take flow logs of the VPC
	Resources []string // two or more of one other kind: subnets, say
	LogGroup  string   // with Role: a log group, and who delivers to it
	Role      string

	OtherPrincipal EC2    // of the same account, in the same Region
	OtherRegion    EC2    // with OtherVPC: of the same account, in another Region
	OtherVPC       string // there; the bucket may take its flow logs, too

	BadTag        string // a tag policy of the organization refuses it
	DeniedTag     string // a policy with the condition aws:RequestTag denies it: an SCP, or one of IAM
	NeededTag     string // a policy demands it: all flow logs of the run have it
	TaggedFlowLog string // with BadTag: a flow log of the user's that has had that tag since before the policy; it stays as it is

	Patience time.Duration // how long to wait for what AWS is to show
	Every    time.Duration // how often to ask AWS meanwhile
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

// Ask asks all questions. Whatever happens, and also when ctx ends, it deletes what it made;
// the error names what is left, if that fails.
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
	*place // where the questions are asked
	far    *place
	rows   []Row
}

func (r *run) note(question, answer string) {
	if r.ctx.Err() != nil {
		return // it was not AWS that answered
	}
	r.Say("%s: %s", question, answer)
	r.rows = append(r.rows, Row{question, answer})
}

// skip notes a question that is not asked.
func (r *run) skip(question, variables string) { r.note(question, "not asked: set "+variables) }

// place is a Region in which a run makes flow logs, and deletes them.
type place struct {
	Options
	api EC2
	ctx context.Context // of the questions; cleaning up has its own

	made        []string // and not deleted yet
	unanswered  bool     // a create may have made one all the same
	calls       int
	shown, gone []time.Duration
}

// input is a create on resources, with a destination and a token of its own.
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

// createBy is create by another principal. What it makes is in the same account and Region.
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

// tag calls CreateTags, and says what AWS answered: taken, if it did as it was told.
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

// appears waits until AWS describes a flow log. ok: it did.
func (p *place) appears(id string) (f inventory.FlowLog, ok bool) {
	took, ok := p.await(func(found map[string]inventory.FlowLog) bool { f = found[id]; return f.ID != "" }, id)
	if ok {
		p.shown = append(p.shown, took)
	}
	return f, ok
}

// remove deletes flow logs, and waits until AWS does not describe them. What AWS can't delete
// is left to cleanUp.
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

// disappear waits until AWS does not describe what was deleted.
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

// until asks AWS until it has done what is waited for; ok: it has.
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

// cleanUp deletes what the run has made, and what AWS has made without an answer. It is done
// when AWS describes nothing of that, for a while if there may be what AWS does not show yet.
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

// drop deletes one alone: one that can't be deleted holds no other. Whether it is gone shows
// the next look.
func (p *place) drop(id string) {
	_, _ = p.api.DeleteFlowLogs(p.ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
}

// left are the flow logs of the run that AWS describes: those that it answered, and those on
// the run's resources that have its tag.
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

// resources are those that the run makes flow logs on.
func (p *place) resources() []string { return append([]string{p.VPC}, p.Resources...) }

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "not seen"
	}
	return fmt.Sprintf("%s to %s, of %d", slices.Min(all).Round(time.Millisecond), slices.Max(all).Round(time.Millisecond), len(all))
}

// Table is the rows as a Markdown table, for a report to the project.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| question | AWS answers |\n| --- | --- |\n")
	for _, x := range rows {
		fmt.Fprintf(&b, "| %s | %s |\n", x.Question, strings.ReplaceAll(x.Answer, "|", `\|`))
	}
	return b.String()
}
