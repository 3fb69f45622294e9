package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"flowkeeper/inventory"
)

// eventsAPI is the part of EventBridge that is asked. CloudTrail's events come
// by the default bus.
type eventsAPI interface {
	ListRuleNamesByTarget(context.Context, *eventbridge.ListRuleNamesByTargetInput, ...func(*eventbridge.Options)) (*eventbridge.ListRuleNamesByTargetOutput, error)
	ListRules(context.Context, *eventbridge.ListRulesInput, ...func(*eventbridge.Options)) (*eventbridge.ListRulesOutput, error)
	DescribeRule(context.Context, *eventbridge.DescribeRuleInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeRuleOutput, error)
	ListTargetsByRule(context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options)) (*eventbridge.ListTargetsByRuleOutput, error)
	TestEventPattern(context.Context, *eventbridge.TestEventPatternInput, ...func(*eventbridge.Options)) (*eventbridge.TestEventPatternOutput, error)
}

// rule that leads to what is wanted.
type rule struct {
	name, arn, pattern string
	enabled            bool
	target             types.Target
}

// route is the rules of one scope that lead to the queue: straight, or by the
// event bus beside it.
type route struct {
	rules     []rule
	forwarded bool // to the bus in the queue's account and Region
}

const maxRules = 100 // looked through for a target

// refused is an error of one action.
type refused struct {
	action string
	err    error
}

func (r *refused) Error() string { return r.action + ": " + r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

func unheardOf(err error) finding {
	var r *refused
	if errors.As(err, &r) {
		return unheard(r.err, r.action)
	}
	return finding{Unknown, "can't tell: " + words(err), ""}
}

// routes sets out how each scope's rules are asked for.
func (e *exam) routes() {
	for _, s := range append([]*subject{e.home}, e.subjects...) {
		s.route = remember(func(ctx context.Context) (route, error) {
			if why := s.well(ctx); why != "" {
				return route{}, fmt.Errorf("account %s can't be asked: %s", s.scope.Account, why)
			}
			return findRoute(ctx, eventbridge.NewFromConfig(s.cfg), e.straight(ctx), e.bus(), s.scope == e.home.scope)
		})
	}
}

// straight are the targets from which events come to the queue: itself, and
// the topics that its policy lets send.
func (e *exam) straight(ctx context.Context) []string {
	arn := e.queueARN(ctx)
	out := []string{arn}
	a, err := e.attrs.get(ctx)
	var p policy
	if err != nil || json.Unmarshal([]byte(a["Policy"]), &p) != nil {
		return out
	}
	all, _ := p.senders(arn, nil)
	for _, s := range all {
		for _, x := range s.arns {
			if part := strings.Split(x, ":"); len(part) == 6 && part[2] == "sns" && !strings.ContainsAny(x, "*?") {
				out = append(out, x)
			}
		}
	}
	return out
}

// bus is the beginning of the ARNs of the buses beside the queue.
func (e *exam) bus() string {
	return fmt.Sprintf("arn:%s:events:%s:%s:event-bus/", inventory.Partition(e.queue.Region), e.queue.Region, e.queue.Account)
}

func findRoute(ctx context.Context, api eventsAPI, straight []string, bus string, home bool) (r route, err error) {
	for _, target := range straight {
		if r.rules, err = rulesTo(ctx, api, target); err != nil || len(r.rules) > 0 {
			return r, err
		}
	}
	if home {
		return r, nil
	}
	r.forwarded = true
	if r.rules, err = rulesTo(ctx, api, bus+"default"); err != nil || len(r.rules) > 0 {
		return r, err
	}
	r.rules, err = rulesToAny(ctx, api, bus)
	return r, err
}

// rulesTo are the rules that have a target.
func rulesTo(ctx context.Context, api eventsAPI, target string) (out []rule, err error) {
	found, err := api.ListRuleNamesByTarget(ctx, &eventbridge.ListRuleNamesByTargetInput{TargetArn: &target, Limit: aws.Int32(maxRules)})
	if err != nil {
		return nil, &refused{"events:ListRuleNamesByTarget", err}
	}
	for _, name := range found.RuleNames {
		x, err := api.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name})
		if err != nil {
			return nil, &refused{"events:DescribeRule", err}
		}
		t, err := targetOf(ctx, api, name, func(arn string) bool { return arn == target })
		if err != nil {
			return nil, err
		}
		out = append(out, rule{name: name, arn: aws.ToString(x.Arn), pattern: aws.ToString(x.EventPattern), enabled: x.State != types.RuleStateDisabled, target: t})
	}
	return out, nil
}

// rulesToAny looks through the rules for a target that begins so: no question
// of EventBridge's own finds a bus of whatever name.
func rulesToAny(ctx context.Context, api eventsAPI, begin string) (out []rule, err error) {
	all, err := api.ListRules(ctx, &eventbridge.ListRulesInput{Limit: aws.Int32(maxRules)})
	if err != nil {
		return nil, &refused{"events:ListRules", err}
	}
	for _, x := range all.Rules {
		t, err := targetOf(ctx, api, aws.ToString(x.Name), func(arn string) bool { return strings.HasPrefix(arn, begin) })
		if err != nil {
			return nil, err
		}
		if t.Arn != nil {
			out = append(out, rule{name: aws.ToString(x.Name), arn: aws.ToString(x.Arn), pattern: aws.ToString(x.EventPattern), enabled: x.State != types.RuleStateDisabled, target: t})
		}
	}
	return out, nil
}

func targetOf(ctx context.Context, api eventsAPI, name string, wanted func(arn string) bool) (types.Target, error) {
	out, err := api.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name})
	if err != nil {
		return types.Target{}, &refused{"events:ListTargetsByRule", err}
	}
	for _, t := range out.Targets {
		if wanted(aws.ToString(t.Arn)) {
			return t, nil
		}
	}
	return types.Target{}, nil
}

// eventRule sees that the scope's events find their way to the queue.
func (e *exam) eventRule(ctx context.Context, s *subject) []finding {
	r, err := s.route.get(ctx)
	if err != nil {
		return one(unheardOf(err))
	}
	f := judgeRules(r.rules, s.scope.Region)
	switch {
	case len(r.rules) == 0:
		f = e.noRule(ctx, s)
	case r.forwarded && (f.status == OK || f.status == Warn):
		return one(e.fromBus(ctx, f))
	}
	return one(f)
}

// judgeRules: one that works is enough.
func judgeRules(rules []rule, region string) (f finding) {
	for _, x := range rules {
		switch {
		case !x.enabled:
			f = finding{Fail, "the rule " + x.name + " is disabled", "aws events enable-rule --name " + word(x.name) + " --region " + region}
		case x.target.Input != nil:
			f = finding{Fail, "the rule " + x.name + " sends a constant text instead of the event", "aws events put-targets --rule " + word(x.name) + " --region " + region + " --targets " + word("Id="+aws.ToString(x.target.Id)+",Arn="+aws.ToString(x.target.Arn))}
		case x.target.InputTransformer != nil:
			f = finding{Warn, "the rule " + x.name + " transforms what it sends: whether the record is still in it can't be told", "take InputTransformer out of its target"}
		default:
			return fine("%s to %s", x.name, aws.ToString(x.target.Arn))
		}
	}
	return f
}

// fromBus: what is forwarded needs the rule beside the queue, too.
func (e *exam) fromBus(ctx context.Context, f finding) finding {
	next, err := e.home.route.get(ctx)
	if err != nil {
		u := unheardOf(err)
		u.detail = f.detail + ", and from there: " + u.detail
		return u
	}
	then := judgeRules(next.rules, e.queue.Region)
	switch {
	case len(next.rules) == 0:
		return finding{Fail, f.detail + ", but no rule of that bus leads to the queue", e.makeRule(ctx, e.home)}
	case then.status == Fail:
		return then
	}
	f.detail += ", from there " + then.detail
	if rank(then.status) > rank(f.status) {
		f.status, f.fix = then.status, then.fix
	}
	return f
}

func (e *exam) noRule(ctx context.Context, s *subject) finding {
	for _, x := range e.straight(ctx)[1:] {
		return finding{Unknown, "can't tell: no rule leads to the queue or to " + x + ", which may send to it: CloudTrail itself may publish there",
			"see that the trail's SnsTopicARN is that topic: aws cloudtrail describe-trails --region " + s.scope.Region}
	}
	return finding{Fail, "no rule leads to " + e.queueARN(ctx), e.makeRule(ctx, s)}
}

// makeRule is the commands that make the rule of a scope.
func (e *exam) makeRule(ctx context.Context, s *subject) string {
	target := "Id=queue,Arn=" + e.queueARN(ctx)
	if s.scope != e.home.scope {
		target = "Id=bus,Arn=" + e.bus() + "default,RoleArn=YOUR-ROLE-THAT-MAY-PUT-EVENTS"
	}
	return fmt.Sprintf("aws events put-rule --name flowkeeper --region %[1]s --event-pattern file://deploy/eventbridge-pattern.json && aws events put-targets --rule flowkeeper --region %[1]s --targets %[2]s", s.scope.Region, target)
}

// eventPattern has EventBridge itself match samples, with each rule on the way.
func (e *exam) eventPattern(ctx context.Context, s *subject) []finding {
	r, err := s.route.get(ctx)
	hops := [][]rule{r.rules}
	on := []*subject{s}
	if err == nil && r.forwarded && len(r.rules) > 0 {
		var next route
		if next, err = e.home.route.get(ctx); err == nil {
			hops, on = append(hops, next.rules), append(on, e.home)
		}
	}
	if err != nil {
		return one(unheardOf(err))
	}
	var good finding
	for n, rules := range hops {
		if len(rules) == 0 {
			return one(finding{Skipped, "no rule was found", ""})
		}
		f := testPattern(ctx, eventbridge.NewFromConfig(on[n].cfg), rules, samples(s.scope, e.d.Now()), on[n].scope.Region)
		if f.status != OK {
			return one(f)
		}
		good = f
	}
	return one(good)
}

// works leaves out disabled rules, if there are others.
func works(rules []rule) []rule {
	on := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return !r.enabled })
	if len(on) == 0 {
		return rules
	}
	return on
}

// testPattern: any of the rules will do, for each sample.
func testPattern(ctx context.Context, api eventsAPI, rules []rule, all []sample, region string) finding {
	var missed, less []string
	rules = works(rules)
	for _, x := range all {
		hit := false
		for _, r := range rules {
			if hit || r.pattern == "" {
				continue
			}
			call, cancel := context.WithTimeout(ctx, oneCall)
			out, err := api.TestEventPattern(call, &eventbridge.TestEventPatternInput{Event: &x.body, EventPattern: &r.pattern})
			cancel()
			if err != nil {
				return unheard(err, "events:TestEventPattern")
			}
			hit = out.Result
		}
		switch {
		case !hit && x.must:
			missed = append(missed, x.name)
		case !hit:
			less = append(less, x.name)
		}
	}
	var names []string
	for _, r := range rules {
		if !slices.Contains(names, r.name) {
			names = append(names, r.name)
		}
	}
	fix := "aws events put-rule --name " + word(names[0]) + " --region " + region + " --event-pattern file://deploy/eventbridge-pattern.json"
	who := "the pattern of " + strings.Join(names, ", ") + " does not match "
	switch {
	case len(missed) > 0:
		return finding{Fail, who + strings.Join(missed, ", "), fix}
	case len(less) > 0:
		return finding{Warn, who + strings.Join(less, ", "), fix}
	}
	return fine("EventBridge matched %d samples", len(all))
}
