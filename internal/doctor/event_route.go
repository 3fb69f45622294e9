package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"golang.org/x/sync/errgroup"

	"flowkeeper/internal/queuepolicy"
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

// rule of a bus, with one of the rule's targets.
type rule struct {
	name, arn, pattern string
	enabled            bool
	bus                bus
	target             ebtypes.Target
	next               *nextBus // the bus that it forwards to; nil: it leads to the queue, or to a topic
}

// Rules that are looked through for a target. A bus has 300 at most, if AWS was
// not asked for more.
const (
	maxRules     = 100 // of a page
	maxRulePages = 3
)

// askBus returns a function that asks, once, for rules of one of the subject's buses.
func (s *subject) askBus(ctx context.Context, name string, ask func(context.Context, bus) ([]rule, error)) func() ([]rule, error) {
	return once(ctx, func(ctx context.Context) ([]rule, error) {
		if why := s.unusable(); why != "" {
			return nil, fmt.Errorf("account %s can't be asked: %s", s.machine.named(s.scope.Account), why)
		}
		return ask(ctx, bus{eventbridge.NewFromConfig(s.cfg), s.scope.Region, name})
	})
}

// rulesToFirst returns the rules that lead to the targets, up to the first target to which a working rule leads.
// An error matters only if no rule was found before it.
func (b bus) rulesToFirst(ctx context.Context, targets []string) (out []rule, err error) {
	for _, target := range targets {
		some, err := b.rulesTo(ctx, target)
		if err != nil && len(out) == 0 {
			return nil, err
		}
		if out = append(out, some...); leadOn(out) {
			return out, nil
		}
	}
	return out, nil
}

// rulesTo returns the rules with this target. A rule that has it several times is returned as often.
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
			some, err := b.leading(ctx, ebtypes.Rule{Name: &name, Arn: x.Arn, EventPattern: x.EventPattern, State: x.State},
				func(arn string) (*nextBus, bool) { return nil, arn == target })
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
	}
	return out, nil
}

// leading returns a rule once for each of its targets that leads accepts. next is the bus that the target is; nil: none.
func (b bus) leading(ctx context.Context, x ebtypes.Rule, leads func(arn string) (next *nextBus, is bool)) (out []rule, err error) {
	all, err := b.api.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: x.Name, EventBusName: &b.name})
	if err != nil {
		return nil, err
	}
	for _, t := range all.Targets {
		if next, is := leads(aws.ToString(t.Arn)); is {
			out = append(out, rule{name: aws.ToString(x.Name), arn: aws.ToString(x.Arn), pattern: aws.ToString(x.EventPattern),
				enabled: x.State != ebtypes.RuleStateDisabled, bus: b, target: t, next: next})
		}
	}
	return out, nil
}

// forwarders returns the rules of the bus that forward to another bus, once for each target that is
// a bus (leads says so). EventBridge has no call that lists only such rules. So forwarders reads all
// rules, until one of them may lead to the queue. It is an error if none does, and there are more rules
// than it reads.
func (b bus) forwarders(ctx context.Context, leads func(arn string) (*nextBus, bool)) (out []rule, err error) {
	in := &eventbridge.ListRulesInput{EventBusName: &b.name, Limit: aws.Int32(maxRules)}
	for range maxRulePages {
		all, err := b.api.ListRules(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, x := range all.Rules {
			some, err := b.leading(ctx, x, leads)
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
		if in.NextToken = all.NextToken; in.NextToken == nil || leadOn(out) {
			return out, nil
		}
	}
	return nil, fmt.Errorf("the event bus %s has more rules than the %d that were looked through, none of which leads to the queue; see the others: aws events list-rules %s", b.name, maxRules*maxRulePages, b.options())
}

// nextBus is the bus to which a rule of the default bus forwards: one in the queue's
// account and Region, with its rules that lead to the queue. None of them forwards
// again: EventBridge does that once only.
type nextBus struct {
	rules []rule
	err   error  // why they could not be asked for
	fix   string // the command that makes one
}

// routes finds the rules that lead to the queue. It is safe for concurrent use.
type routes struct {
	queue *queue
	home  *subject                   // the queue's account and Region
	onBus func(name string) *nextBus // a bus there; each is asked once
	away  func() bool                // whether a rule of another scope leads to the queue, as far as scopes can be asked
}

// expects reports whether the scope should have a rule: another scope has one, or it is the scope of the queue,
// and the queue's policy lets a rule send.
func (r *routes) expects(s inventory.Scope) bool {
	return s == r.home.scope && len(queuepolicy.Rules(r.queue.attribute("Policy"))) > 0 || r.away()
}

// anyRule asks the subjects of all scopes except one, several at a time, until one has a rule.
func anyRule(subjects []*subject, except inventory.Scope) bool {
	var found atomic.Bool
	var g errgroup.Group
	g.SetLimit(mostAtOnce)
	for _, s := range subjects {
		if s.scope == except || found.Load() {
			continue
		}
		g.Go(func() error {
			if rules, err := s.rules(); err == nil && len(rules) > 0 {
				found.Store(true)
			}
			return nil
		})
	}
	_ = g.Wait() // none fails
	return found.Load()
}

func newRoutes(ctx context.Context, q *queue, home *subject) *routes {
	r := &routes{queue: q, home: home}
	var buses sync.Map // the function that asks for the rules of a bus, by the name of the bus
	r.onBus = func(name string) *nextBus {
		ask, _ := buses.LoadOrStore(name, home.askBus(ctx, name, func(ctx context.Context, b bus) ([]rule, error) { return b.rulesToFirst(ctx, q.targets()) }))
		rules, err := ask.(func() ([]rule, error))()
		return &nextBus{rules, err, r.makeRule(home.scope, name)}
	}
	return r
}

// ask returns a function that asks, once, for the rules of a scope's default bus that lead to the queue.
func (r *routes) ask(ctx context.Context, s *subject) func() ([]rule, error) {
	return s.askBus(ctx, defaultBus, func(ctx context.Context, b bus) ([]rule, error) {
		return findRoute(ctx, b, r.queue.targets(), r.queue.buses(), r.onBus)
	})
}

// findRoute looks for rules that lead to the queue itself; if none of them works, to a topic; then to the
// default bus in the queue's account and Region; and then to another bus there. The ARNs of these
// buses begin with busPrefix; busRules asks for the rules of a bus, by its name. An error about the buses does
// not matter if there are rules to the queue or a topic, even if none of these rules works.
func findRoute(ctx context.Context, b bus, targets []string, busPrefix string, busRules func(name string) *nextBus) ([]rule, error) {
	out, err := b.rulesToFirst(ctx, targets)
	if err != nil || leadOn(out) {
		return out, err
	}
	direct := len(out) > 0
	some, err := b.rulesTo(ctx, busPrefix+defaultBus)
	for n := range some {
		some[n].next = busRules(defaultBus)
	}
	if out = append(out, some...); err == nil && !leadOn(out) {
		some, err = b.forwarders(ctx, func(arn string) (*nextBus, bool) {
			name, is := strings.CutPrefix(arn, busPrefix)
			if !is || name == defaultBus {
				return nil, false
			}
			return busRules(name), true
		})
		out = append(out, some...)
	}
	if direct {
		return out, nil
	}
	return out, err
}

// leadOn reports whether one of the rules may lead to the queue.
func leadOn(rules []rule) bool {
	return slices.ContainsFunc(rules, func(r rule) bool { return r.judge(true).status != Fail })
}
