// Package smoke asks an AWS account about what AWS does not document and no emulator shows
// for certain: `make smoke-aws`. It makes flow logs on resources that a person names, and
// deletes them: each has the tag [Tag], and nothing else is ever deleted. Its own test asks
// the AWS in this repository the same questions.
package smoke

import (
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

// Options say on what flow logs are made. A question without what it needs is left out.
type Options struct {
	Run       string   // names the run; letters and digits
	VPC       string   // required
	BucketARN string   // required: it may take flow logs of the VPC
	Resources []string // two or more of one other kind: subnets, say
	LogGroup  string   // with Role: a log group, and who delivers to it
	Role      string
	BadTag    string // KEY=VALUE that a tag policy of the account refuses

	Patience time.Duration // how long to wait for what AWS is to show
	Every    time.Duration // how often to ask AWS meanwhile
	Say      func(format string, args ...any)
}

// Row is a question and what AWS answered.
type Row struct{ Question, Answer string }

// Plan says what Ask will do.
func (o Options) Plan() string {
	on := append([]string{o.VPC}, o.Resources...)
	to := o.BucketARN + "/flowkeeper-smoke/"
	if o.LogGroup != "" {
		to += " and log group " + o.LogGroup
	}
	return fmt.Sprintf("makes about 25 flow logs, a few at a time, on %s, which deliver to %s; all have the tag %s=%s; deletes them, also after a failure and after Ctrl-C; changes nothing else",
		strings.Join(on, ", "), to, Tag, o.Run)
}

// Ask asks all questions. Whatever happens, and also when ctx ends, it deletes what it made;
// the error names what is left, if that fails.
func Ask(ctx context.Context, api EC2, o Options) (rows []Row, err error) {
	r := &run{Options: o, api: api, ctx: ctx}
	defer func() { rows, err = r.rows, errors.Join(err, r.cleanUp()) }()
	for _, q := range []func(){r.restore, r.spentToken, r.trafficTypes, r.several, r.partial, r.tags, r.tagPolicy} {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		q()
		r.remove(slices.Clone(r.made)...)
	}
	r.note("how long until a new flow log is described", spread(r.shown))
	r.note("how long until a deleted one is not described", spread(r.gone))
	return nil, nil
}

// run is one run.
type run struct {
	Options
	api  EC2
	ctx  context.Context // of the questions; cleaning up has its own
	rows []Row

	made        []string // and not deleted yet
	unanswered  bool     // a create may have made one all the same
	calls       int
	shown, gone []time.Duration
}

func (r *run) note(question, answer string) {
	if r.ctx.Err() != nil {
		return // it was not AWS that answered
	}
	r.Say("%s: %s", question, answer)
	r.rows = append(r.rows, Row{question, answer})
}

// input is a create on resources, with a destination and a token of its own.
func (r *run) input(resources ...string) *ec2.CreateFlowLogsInput {
	r.calls++
	return &ec2.CreateFlowLogsInput{
		ResourceIds: resources, ResourceType: kindOf(resources[0]), TrafficType: types.TrafficTypeReject,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String(fmt.Sprintf("%s/flowkeeper-smoke/%d", r.BucketARN, r.calls)),
		MaxAggregationInterval: aws.Int32(60), ClientToken: aws.String(fmt.Sprintf("flowkeeper-smoke-%s-%d", r.Run, r.calls)),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: []types.Tag{{Key: aws.String(Tag), Value: aws.String(r.Run)}}}},
	}
}

func kindOf(id string) types.FlowLogsResourceType {
	return incident.CreateInput(incident.Incident{Frozen: inventory.Settings{ResourceID: id}}, "").ResourceType
}

// create makes a call, remembers what it made, and says what AWS answered.
func (r *run) create(in *ec2.CreateFlowLogsInput) (ids []string, answer string) {
	out, err := r.api.CreateFlowLogs(r.ctx, in)
	if err != nil {
		_, refused := errors.AsType[smithy.APIError](err)
		r.unanswered = r.unanswered || !refused
		return nil, failure(err)
	}
	for _, id := range out.FlowLogIds {
		if !slices.Contains(r.made, id) {
			r.made = append(r.made, id)
		}
	}
	parts := []string{fmt.Sprintf("%d made", len(out.FlowLogIds))}
	for _, u := range out.Unsuccessful {
		parts = append(parts, fmt.Sprintf("item %s: %s %q", aws.ToString(u.ResourceId), aws.ToString(u.Error.Code), aws.ToString(u.Error.Message)))
	}
	return out.FlowLogIds, strings.Join(parts, "; ")
}

func failure(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Sprintf("the call fails: %s %q", e.ErrorCode(), e.ErrorMessage())
	}
	return "no answer: " + err.Error()
}

// appears waits until AWS describes a flow log. ok: it did.
func (r *run) appears(id string) (f inventory.FlowLog, ok bool) {
	took, ok := r.await(func(found map[string]inventory.FlowLog) bool { f = found[id]; return f.ID != "" }, id)
	if ok {
		r.shown = append(r.shown, took)
	}
	return f, ok
}

// remove deletes flow logs, and waits until AWS does not describe them.
func (r *run) remove(ids ...string) {
	if len(ids) == 0 {
		return
	}
	if _, err := r.api.DeleteFlowLogs(r.ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids}); err != nil {
		return // cleanUp deletes them
	}
	if took, ok := r.await(func(found map[string]inventory.FlowLog) bool { return len(found) == 0 }, ids...); ok {
		r.gone = append(r.gone, took)
		r.made = slices.DeleteFunc(r.made, func(id string) bool { return slices.Contains(ids, id) })
	}
}

func (r *run) await(done func(map[string]inventory.FlowLog) bool, ids ...string) (took time.Duration, ok bool) {
	began := time.Now()
	for r.ctx.Err() == nil && time.Since(began) < r.Patience {
		found, err := inventory.ByID(r.ctx, inventory.Scope{}, r.api, ids)
		if err == nil && done(found) {
			return time.Since(began), true
		}
		select {
		case <-time.After(r.Every):
		case <-r.ctx.Done():
		}
	}
	return 0, false
}

// cleanUp deletes what the run has made, and what AWS has made without an answer. It is done
// when AWS describes nothing of that, for a while if there was a create without an answer.
func (r *run) cleanUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), max(time.Minute, r.Patience))
	defer cancel()
	r.ctx = ctx
	rounds := 1
	if r.unanswered {
		rounds = 10
	}
	for clean := 0; clean < rounds; clean++ {
		left, err := r.left()
		if err != nil || len(left) > 0 {
			clean = -1
		}
		for _, id := range left { // each alone: one that can't be deleted holds no other
			_, _ = r.api.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}}) // the next round shows whether it is gone
		}
		select {
		case <-time.After(r.Every):
		case <-ctx.Done():
			return fmt.Errorf("these may be left, and others with the tag %s=%s: delete them by hand: %s", Tag, r.Run, strings.Join(append(left, r.made...), " "))
		}
	}
	return nil
}

// left are the flow logs of the run that AWS describes: those that it answered, and those on
// the run's resources that have its tag.
func (r *run) left() (ids []string, err error) {
	if len(r.made) > 0 { // a filter without values could show what is not ours
		found, err := inventory.ByID(r.ctx, inventory.Scope{}, r.api, r.made)
		if err != nil {
			return nil, err
		}
		ids = slices.DeleteFunc(slices.Clone(r.made), func(id string) bool { return found[id].ID == "" })
	}
	pages := ec2.NewDescribeFlowLogsPaginator(r.api, &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String("resource-id"), Values: append([]string{r.VPC}, r.Resources...)}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(r.ctx)
		if err != nil {
			return ids, err
		}
		for _, f := range page.FlowLogs {
			ours := slices.ContainsFunc(f.Tags, func(t types.Tag) bool { return aws.ToString(t.Key) == Tag && aws.ToString(t.Value) == r.Run })
			if id := aws.ToString(f.FlowLogId); ours && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

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
