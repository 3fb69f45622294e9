package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"flowkeeper/inventory"
	"flowkeeper/watcher"
)

const (
	queueARN = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"
	topicARN = "arn:aws:sns:eu-west-1:222233334444:trail"
	busARN   = "arn:aws:events:eu-west-1:111122223333:event-bus/"
)

// fakeEvents is an EventBridge with the rules of each event bus, by the name of the bus. A pattern is a plain text
// here: it matches the events that contain it.
type fakeEvents map[string][]fakeRule

type fakeRule struct {
	name, pattern string
	targets       []types.Target
	off           bool // the rule is disabled
}

func (r fakeRule) state() types.RuleState {
	if r.off {
		return types.RuleStateDisabled
	}
	return types.RuleStateEnabled
}

func (r fakeRule) disabled() fakeRule { r.off = true; return r }

// leads returns a rule that sends the watched events to the targets (ARNs).
func leads(name string, targets ...string) fakeRule {
	r := fakeRule{name: name, pattern: "eventName"}
	for n := range targets {
		r.targets = append(r.targets, types.Target{Id: aws.String("t"), Arn: &targets[n]})
	}
	return r
}

// page returns a page of a list. The token is the index of the first element of the page.
func page[T any](all []T, token *string, limit *int32) (some []T, next *string) {
	from, _ := strconv.Atoi(aws.ToString(token)) // none: 0
	to := min(len(all), from+int(*limit))
	if to < len(all) {
		next = aws.String(strconv.Itoa(to))
	}
	return all[from:to], next
}

func (f fakeEvents) ListRuleNamesByTarget(_ context.Context, in *eventbridge.ListRuleNamesByTargetInput, _ ...func(*eventbridge.Options)) (*eventbridge.ListRuleNamesByTargetOutput, error) {
	var names []string
	for _, r := range f[*in.EventBusName] {
		if slices.ContainsFunc(r.targets, func(t types.Target) bool { return *t.Arn == *in.TargetArn }) {
			names = append(names, r.name)
		}
	}
	names, next := page(names, in.NextToken, in.Limit)
	return &eventbridge.ListRuleNamesByTargetOutput{RuleNames: names, NextToken: next}, nil
}

func (f fakeEvents) ListRules(_ context.Context, in *eventbridge.ListRulesInput, _ ...func(*eventbridge.Options)) (*eventbridge.ListRulesOutput, error) {
	some, next := page(f[*in.EventBusName], in.NextToken, in.Limit)
	out := &eventbridge.ListRulesOutput{NextToken: next}
	for _, r := range some {
		out.Rules = append(out.Rules, types.Rule{Name: &r.name, EventPattern: &r.pattern, State: r.state()})
	}
	return out, nil
}

func (f fakeEvents) find(bus, name *string) (fakeRule, error) {
	n := slices.IndexFunc(f[*bus], func(r fakeRule) bool { return r.name == *name })
	if n < 0 {
		return fakeRule{}, &smithy.GenericAPIError{Code: "ResourceNotFoundException"}
	}
	return f[*bus][n], nil
}

func (f fakeEvents) DescribeRule(_ context.Context, in *eventbridge.DescribeRuleInput, _ ...func(*eventbridge.Options)) (*eventbridge.DescribeRuleOutput, error) {
	r, err := f.find(in.EventBusName, in.Name)
	return &eventbridge.DescribeRuleOutput{Name: &r.name, EventPattern: &r.pattern, State: r.state()}, err
}

func (f fakeEvents) ListTargetsByRule(_ context.Context, in *eventbridge.ListTargetsByRuleInput, _ ...func(*eventbridge.Options)) (*eventbridge.ListTargetsByRuleOutput, error) {
	r, err := f.find(in.EventBusName, in.Rule)
	return &eventbridge.ListTargetsByRuleOutput{Targets: r.targets}, err
}

func (fakeEvents) TestEventPattern(_ context.Context, in *eventbridge.TestEventPatternInput, _ ...func(*eventbridge.Options)) (*eventbridge.TestEventPatternOutput, error) {
	if *in.EventPattern == "denied" {
		return nil, &smithy.OperationError{ServiceID: eventbridge.ServiceID, OperationName: "TestEventPattern", Err: &smithy.GenericAPIError{Code: "AccessDeniedException"}}
	}
	return &eventbridge.TestEventPatternOutput{Result: strings.Contains(*in.Event, *in.EventPattern)}, nil
}

// route returns the rules of the default bus that lead to the queue. others are the rules on
// the buses of the queue's Region.
func (f fakeEvents) route(t *testing.T, others fakeEvents) ([]rule, error) {
	t.Helper()
	return findRoute(t.Context(), bus{f, "us-east-1", defaultBus}, []string{queueARN, topicARN}, busARN, func(name string) *nextBus {
		if name == "denied" {
			return &nextBus{err: &smithy.OperationError{ServiceID: eventbridge.ServiceID, OperationName: "DescribeRule", Err: &smithy.GenericAPIError{Code: "AccessDeniedException"}}}
		}
		rules, err := bus{others, "eu-west-1", name}.rulesToFirst(t.Context(), []string{queueARN, topicARN})
		return &nextBus{rules, err, "make one on " + name}
	})
}

// among returns n rules that lead elsewhere, with another rule inserted at an index.
func among(n, at int, other fakeRule) (out []fakeRule) {
	for i := range n {
		out = append(out, leads(fmt.Sprint("elsewhere-", i), "arn:aws:lambda:x"))
	}
	return slices.Insert(out, at, other)
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	ours := []fakeRule{leads("ours", queueARN)}
	forward := leads("forward", busARN+"security")
	for name, c := range map[string]struct {
		from, others fakeEvents
		want         Status
		says         string
	}{
		"direct":                         {fakeEvents{"default": ours}, nil, OK, "ours to " + queueARN},
		"by a topic":                     {fakeEvents{"default": {leads("ours", topicARN)}}, nil, Unknown, "can't tell: the rule ours leads to " + topicARN},
		"by the default bus":             {fakeEvents{"default": {leads("forward", busARN+"default")}}, fakeEvents{"default": ours}, OK, "from there ours to"},
		"by the default bus, to a topic": {fakeEvents{"default": {leads("forward", busARN+"default")}}, fakeEvents{"default": {leads("ours", topicARN)}}, Unknown, "from there can't tell"},
		"by another bus":                 {fakeEvents{"default": {forward}}, fakeEvents{"security": ours}, OK, "forward to " + busARN + "security, from there ours to"},
		"to another bus, the rule is on the default": {fakeEvents{"default": {forward}}, fakeEvents{"default": ours}, Fail, "no rule of that bus"},
		"to the default bus, the rule is on another": {fakeEvents{"default": {leads("forward", busARN+"default")}}, fakeEvents{"security": ours}, Fail, "no rule of that bus"},
		"by one of two buses":                        {fakeEvents{"default": {leads("all", busARN+"default"), forward}}, fakeEvents{"security": ours}, OK, "security"},
		"by one of a rule's two buses":               {fakeEvents{"default": {leads("all", busARN+"audit", busARN+"security")}}, fakeEvents{"security": ours}, OK, "security"},
		"by a bus that can't be asked":               {fakeEvents{"default": {leads("forward", busARN+"denied")}}, nil, Unknown, "and from there: can't tell, because events:DescribeRule"},
		"another account's bus":                      {fakeEvents{"default": {leads("forward", strings.Replace(busARN, "1111", "2222", 1)+"security")}}, fakeEvents{"security": ours}, "", ""},
		"on the last page":                           {fakeEvents{"default": among(299, 299, forward)}, fakeEvents{"security": ours}, OK, "from there ours"},
		"on a page that is not read":                 {fakeEvents{"default": among(301, 301, forward)}, fakeEvents{"security": ours}, Unknown, "none of which leads to the queue; see the others: aws events list-rules --region us-east-1"},
		"on a page before more rules":                {fakeEvents{"default": among(301, 100, forward)}, fakeEvents{"security": ours}, OK, "from there ours"},
		"to a bus without rules, before more rules":  {fakeEvents{"default": among(301, 100, forward)}, nil, Unknown, "can't tell"},
		"disabled, and by another bus":               {fakeEvents{"default": {ours[0].disabled(), forward}}, fakeEvents{"security": ours}, OK, "forward to " + busARN + "security, from there ours to"},
		"disabled, and by the default":               {fakeEvents{"default": {ours[0].disabled(), leads("forward", busARN+"default")}}, fakeEvents{"default": ours}, OK, "from there ours to"},
		"disabled, and by a topic":                   {fakeEvents{"default": {ours[0].disabled(), leads("other", topicARN)}}, nil, Unknown, "the rule other leads to " + topicARN},
		"disabled, and another is enabled":           {fakeEvents{"default": {ours[0].disabled(), leads("other", queueARN)}}, nil, OK, "other to"},
		"disabled, and nothing else":                 {fakeEvents{"default": {ours[0].disabled()}}, nil, Fail, "the rule ours is disabled"},
		"disabled, and the next bus's rule, too":     {fakeEvents{"default": {ours[0].disabled(), forward}}, fakeEvents{"security": {ours[0].disabled()}}, Fail, "the rule ours is disabled"},
		"disabled, among too many rules":             {fakeEvents{"default": among(301, 0, ours[0].disabled())}, nil, Fail, "the rule ours is disabled"},
		"by a bus with a disabled rule, and another": {fakeEvents{"default": {leads("all", busARN+"default"), forward}}, fakeEvents{"default": {ours[0].disabled()}, "security": ours}, OK, "security"},
		"to an empty bus, among too many rules":      {fakeEvents{"default": among(301, 0, leads("forward", busARN+"default"))}, nil, Unknown, "can't tell"},
		"no rule leads to the queue":                 {fakeEvents{"default": among(299, 0, leads("another", "arn:aws:lambda:x"))}, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := c.from.route(t, c.others)
			f := judgeRules(rules, false)
			if err != nil {
				f = unanswered(err)
			}
			if f.status != c.want || !strings.Contains(f.detail, c.says) {
				t.Errorf("%+v; want %s, %q", f, c.want, c.says)
			}
		})
	}
}

// TestRulesThatSendTheRecord: a target may send the whole event, or a part of it. The check passes only if the watcher
// finds the record in what the target sends.
func TestRulesThatSendTheRecord(t *testing.T) {
	t.Parallel()
	target := func(change func(*types.Target)) []rule {
		r := rule{name: "ours", enabled: true, bus: bus{region: "eu-west-1", name: defaultBus}, target: types.Target{Id: aws.String("a b"), Arn: aws.String(queueARN)}}
		change(&r.target)
		return []rule{r}
	}
	path := func(path string) []rule { return target(func(t *types.Target) { t.InputPath = &path }) }
	constant := target(func(t *types.Target) { t.Input, t.RoleArn = aws.String("{}"), aws.String("arn:aws:iam::1:role/r") })
	topic := target(func(t *types.Target) { t.Arn = aws.String(topicARN) })
	off := target(func(*types.Target) {})
	off[0].enabled, off[0].bus.name = false, "security"
	good := path("")
	for name, c := range map[string]struct {
		rules  []rule
		proven bool
		want   Status
		fix    string
	}{
		"the event":                       {good, false, OK, ""},
		"the event by its path":           {path("$"), false, OK, ""},
		"the record":                      {path("$.detail"), false, OK, ""},
		"the record in brackets":          {path("$['detail']"), false, OK, ""},
		"the record in double quotes":     {path(`$["detail"]`), false, OK, ""},
		"a part of the record":            {path("$.detail.eventName"), true, Fail, "aws events put-targets --rule ours --region eu-west-1 --targets 'Id=a b,Arn=" + queueARN + "'"},
		"the event's time":                {path("$.time"), true, Fail, "put-targets"},
		"a constant":                      {constant, true, Fail, ",RoleArn=arn:aws:iam::1:role/r'"},
		"an input transformer":            {target(func(t *types.Target) { t.InputTransformer = &types.InputTransformer{} }), true, Warn, "take InputTransformer out"},
		"a disabled rule":                 {off, true, Fail, "enable-rule --name ours --region eu-west-1 --event-bus-name security"},
		"to a topic":                      {topic, false, Unknown, "aws sns list-subscriptions-by-topic --topic-arn " + topicARN + " --region eu-west-1"},
		"to a topic, and an event came":   {topic, true, OK, ""},
		"a constant, and a good rule":     {slices.Concat(constant, good), false, OK, ""},
		"a good rule, and a disabled one": {slices.Concat(good, off), false, OK, ""},
		"a constant, and one to a topic":  {slices.Concat(constant, topic), false, Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if f := judgeRules(c.rules, c.proven); f.status != c.want || !strings.Contains(f.fix, c.fix) {
				t.Errorf("%+v; want %s, %q", f, c.want, c.fix)
			}
		})
	}
	for _, s := range samples(inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, time.Unix(0, 0)) {
		_, detail, _ := strings.Cut(s.body, `"detail":`)
		detail, _, _ = strings.Cut(detail, `,"detail-type"`)
		for _, body := range []string{s.body, detail} {
			if c, err := watcher.Unwrap([]byte(body)); err != nil || len(c.Records) != 1 {
				t.Errorf("the watcher finds %+v, %v in %s", c, err, body)
			}
		}
		if c, err := watcher.Unwrap([]byte(`"DeleteFlowLogs"`)); err == nil {
			t.Errorf("the watcher finds %+v in a part of a record", c)
		}
	}
}

func TestPatternsOnBothHalves(t *testing.T) {
	t.Parallel()
	all := samples(inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, time.Unix(0, 0))
	const every, ec2 = `"eventName"`, `"ec2.amazonaws.com"`
	to := func(next *nextBus, patterns ...string) (out []rule) {
		for n, p := range patterns {
			out = append(out, rule{name: fmt.Sprintf("r%d", n), pattern: p, enabled: true, bus: bus{region: "eu-west-1", name: "security"}, next: next})
		}
		return out
	}
	constant := func(rules []rule) []rule { rules[0].target.Input = aws.String("{}"); return rules }
	for name, c := range map[string]struct {
		rules []rule
		want  Status
		says  string
	}{
		"direct":                                        {to(nil, every), OK, "matched 6"},
		"direct, without trails":                        {to(nil, ec2), Warn, "the pattern of r0 does not match a stopped trail"},
		"direct, a rule for each event":                 {to(nil, "DeleteFlowLogs", "CreateFlowLogs", "DeleteVpc", "StopLogging"), OK, "matched 6"},
		"direct, one without a pattern":                 {to(nil, "DeleteFlowLogs", ""), Fail, "the pattern of r0, r1 does not match a rehearsal, a creation"},
		"direct, a constant":                            {append(constant(to(nil, every)), to(nil, "DeleteVpc")...), Fail, "does not match a deletion"},
		"constants only":                                {constant(to(nil, every)), OK, "matched 6"}, // the check event-rule reports it
		"both halves":                                   {to(&nextBus{rules: to(nil, every)}, every), OK, "matched 6"},
		"the second half misses":                        {to(&nextBus{rules: to(nil, "DeleteFlowLogs")}, every), Fail, "the pattern of r0 does not match a rehearsal"},
		"the first half misses trails, the second most": {to(&nextBus{rules: to(nil, "CreateFlowLogs")}, ec2), Fail, "does not match a deletion, a refused deletion"},
		"each half matches another event":               {append(to(&nextBus{rules: to(nil, "DeleteFlowLogs")}, "CreateFlowLogs"), to(&nextBus{rules: to(nil, "CreateFlowLogs")}, "DeleteFlowLogs")...), Fail, "does not match"},
		"two routes, neither matches trails":            {append(to(&nextBus{rules: to(nil, every)}, "DeleteFlowLogs"), to(&nextBus{rules: to(nil, ec2)}, every)...), Warn, "a stopped trail"},
		"two routes, the second matches all":            {append(to(&nextBus{rules: to(nil, "DeleteFlowLogs")}, every), to(&nextBus{rules: to(nil, every)}, every)...), OK, "matched 6"},
		"no rule on the next bus":                       {to(&nextBus{}, every), Skipped, "no rule"},
		"the next bus can't be asked":                   {to(&nextBus{err: errors.New("silence")}, every), Unknown, "silence"},
		"denied":                                        {to(nil, "denied"), Unknown, "events:TestEventPattern is not allowed"},
		"no rules":                                      {nil, Skipped, "no rule"},
	} {
		t.Run(name, func(t *testing.T) {
			f := testPatterns(t.Context(), fakeEvents{}, c.rules, all)
			if f.status != c.want || !strings.Contains(f.detail, c.says) {
				t.Errorf("%+v; want %s, %q", f, c.want, c.says)
			}
			if (f.status == Fail || f.status == Warn) && !strings.HasPrefix(f.fix, "aws events put-rule --name r0 --region eu-west-1 --event-bus-name security --event-pattern ") {
				t.Error(f.fix)
			}
		})
	}
}
