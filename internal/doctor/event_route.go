package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"flowkeeper/inventory"
)

// nextBus is the bus to which a rule of the default bus forwards: one in the queue's
// account and Region, with its rules that lead to the queue. None of them forwards
// again: EventBridge does that once only.
type nextBus struct {
	rules []rule
	err   error  // why they could not be asked for
	fix   string // the command that makes one
}

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
