package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"flowkeeper/inventory"
)

// eventsAPI is what doctor calls of *eventbridge.Client. CloudTrail's events are on the
// default bus.
type eventsAPI interface {
	ListRuleNamesByTarget(context.Context, *eventbridge.ListRuleNamesByTargetInput, ...func(*eventbridge.Options)) (*eventbridge.ListRuleNamesByTargetOutput, error)
	ListRules(context.Context, *eventbridge.ListRulesInput, ...func(*eventbridge.Options)) (*eventbridge.ListRulesOutput, error)
	DescribeRule(context.Context, *eventbridge.DescribeRuleInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeRuleOutput, error)
	ListTargetsByRule(context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options)) (*eventbridge.ListTargetsByRuleOutput, error)
	TestEventPattern(context.Context, *eventbridge.TestEventPatternInput, ...func(*eventbridge.Options)) (*eventbridge.TestEventPatternOutput, error)
}

// bus is an event bus of an account and Region.
type bus struct {
	api          eventsAPI
	region, name string
}

const defaultBus = "default"

// options returns the options of an AWS CLI command about the bus's rules.
func (b bus) options() string {
	if b.name == defaultBus {
		return "--region " + b.region
	}
	return "--region " + b.region + " --event-bus-name " + shellWord(b.name)
}

// rule of a bus, with one of its targets.
type rule struct {
	name, arn, pattern string
	enabled            bool
	on                 bus
	target             ebtypes.Target
	next               *nextBus // the bus that it forwards to; nil: it leads to the queue, or to a topic
}

// nextBus is the bus to which a rule of the default bus forwards: one in the queue's
// account and Region, with its rules that lead to the queue. None of them forwards
// again: EventBridge does that once only.
type nextBus struct {
	rules []rule
	err   error  // why they could not be asked for
	fix   string // the command that makes one
}

// Rules that are looked through for a target. A bus has 300 at most, if AWS was
// not asked for more.
const (
	maxRules     = 100 // of a page
	maxRulePages = 3
)

// routes sets how the rules of each scope are asked for.
func (e *exam) routes(ctx context.Context) {
	busRules := e.busRules(ctx)
	for _, s := range append([]*subject{e.home}, e.subjects...) {
		s.route = once(ctx, func(ctx context.Context) ([]rule, error) {
			b, err := s.bus(defaultBus)
			if err != nil {
				return nil, err
			}
			return findRoute(ctx, b, e.queueTargets(), e.buses(), busRules)
		})
	}
}

func (s *subject) bus(name string) (bus, error) {
	if why := s.unusable(); why != "" {
		return bus{}, fmt.Errorf("account %s can't be asked: %s", s.scope.Account, why)
	}
	return bus{eventbridge.NewFromConfig(s.cfg), s.scope.Region, name}, nil
}

// busRules asks once, for each bus in the queue's account and Region, which of its
// rules lead to the queue.
func (e *exam) busRules(ctx context.Context) func(name string) *nextBus {
	var mu sync.Mutex // guards buses
	buses := map[string]func() ([]rule, error){}
	return func(name string) *nextBus {
		mu.Lock()
		if buses[name] == nil {
			buses[name] = once(ctx, func(ctx context.Context) ([]rule, error) {
				b, err := e.home.bus(name)
				if err != nil {
					return nil, err
				}
				return b.rulesToFirst(ctx, e.queueTargets())
			})
		}
		ask := buses[name]
		mu.Unlock()
		rules, err := ask()
		return &nextBus{rules, err, e.makeRule(e.home.scope, name)}
	}
}

// queueTargets returns the targets whose events reach the queue: the queue, and the topics that
// its policy allows to send.
func (e *exam) queueTargets() []string {
	arn := e.queueARN()
	out := []string{arn}
	a, err := e.attrs()
	if err != nil {
		return out
	}
	p, err := readPolicy(a["Policy"])
	if err != nil {
		return out
	}
	all, _ := p.senders(arn, nil, p.denials(arn))
	for _, s := range all {
		if isTopic(s.source) && !wild(s.source) {
			out = append(out, s.source)
		}
	}
	return out
}

func isTopic(arn string) bool { return partsOf(arn).Service == "sns" }

// buses is the beginning of the ARNs of the buses in the queue's account and Region.
func (e *exam) buses() string {
	return fmt.Sprintf("arn:%s:events:%s:%s:event-bus/", inventory.Partition(e.queue.Region), e.queue.Region, e.queue.Account)
}

// findRoute looks for rules that lead to the queue itself, or to a topic, or to
// the default bus in the queue's account and Region, or to another bus there. buses
// is the beginning of these buses' ARNs; busRules asks for the rules of one, by its
// name.
func findRoute(ctx context.Context, b bus, targets []string, buses string, busRules func(name string) *nextBus) ([]rule, error) {
	out, err := b.rulesToFirst(ctx, targets)
	if err != nil || len(out) > 0 {
		return out, err
	}
	if out, err = b.rulesTo(ctx, buses+defaultBus); err != nil {
		return nil, err
	}
	for n := range out {
		out[n].next = busRules(defaultBus)
	}
	if leadOn(out) {
		return out, nil
	}
	others, err := b.forwarders(ctx, func(arn string) *nextBus {
		name, is := strings.CutPrefix(arn, buses)
		if !is || name == defaultBus {
			return nil
		}
		return busRules(name)
	})
	return append(out, others...), err
}

// leadOn reports whether one of the rules may lead to the queue.
func leadOn(rules []rule) bool {
	return slices.ContainsFunc(rules, func(r rule) bool { return r.next == nil || r.next.err != nil || len(r.next.rules) > 0 })
}

// rulesToFirst are the rules that lead to the first of the targets to which
// there are any.
func (b bus) rulesToFirst(ctx context.Context, targets []string) (out []rule, err error) {
	for _, target := range targets {
		if out, err = b.rulesTo(ctx, target); err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, nil
}

// rulesTo are the rules with a target, once for each time that they name it.
func (b bus) rulesTo(ctx context.Context, target string) (out []rule, err error) {
	in := &eventbridge.ListRuleNamesByTargetInput{TargetArn: &target, EventBusName: &b.name, Limit: aws.Int32(maxRules)}
	for more := true; more; more = in.NextToken != nil {
		found, err := b.api.ListRuleNamesByTarget(ctx, in)
		if err != nil {
			return nil, err
		}
		in.NextToken = found.NextToken
		for _, name := range found.RuleNames {
			x, err := b.api.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: &b.name})
			if err != nil {
				return nil, err
			}
			r := rule{name: name, arn: aws.ToString(x.Arn), pattern: aws.ToString(x.EventPattern), enabled: x.State != ebtypes.RuleStateDisabled, on: b}
			targets, err := b.targets(ctx, name)
			if err != nil {
				return nil, err
			}
			for _, t := range targets {
				if aws.ToString(t.Arn) == target {
					r.target = t
					out = append(out, r)
				}
			}
		}
	}
	return out, nil
}

// forwarders are the rules of the bus that forward to a bus in the queue's account and
// Region; next is nil for any other ARN. EventBridge can't be asked for these, so that
// it reads all rules, up to one that leads on. It is an error if none does and there
// are more rules than it reads.
func (b bus) forwarders(ctx context.Context, next func(arn string) *nextBus) (out []rule, err error) {
	in := &eventbridge.ListRulesInput{EventBusName: &b.name, Limit: aws.Int32(maxRules)}
	for range maxRulePages {
		all, err := b.api.ListRules(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, x := range all.Rules {
			r := rule{name: aws.ToString(x.Name), arn: aws.ToString(x.Arn), pattern: aws.ToString(x.EventPattern), enabled: x.State != ebtypes.RuleStateDisabled, on: b}
			targets, err := b.targets(ctx, r.name)
			if err != nil {
				return nil, err
			}
			for _, t := range targets {
				if r.next = next(aws.ToString(t.Arn)); r.next != nil {
					r.target = t
					out = append(out, r)
				}
			}
		}
		if in.NextToken = all.NextToken; in.NextToken == nil || leadOn(out) {
			return out, nil
		}
	}
	return nil, fmt.Errorf("the event bus %s has more rules than the %d that were looked through, none of which leads to the queue; see the others: aws events list-rules %s", b.name, maxRules*maxRulePages, b.options())
}

func (b bus) targets(ctx context.Context, rule string) ([]ebtypes.Target, error) {
	all, err := b.api.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &rule, EventBusName: &b.name})
	if err != nil {
		return nil, err
	}
	return all.Targets, nil
}
