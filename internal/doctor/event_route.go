package doctor

import (
	"context"
	"slices"
	"strings"
	"sync"
)

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
}

func newRoutes(ctx context.Context, q *queue, home *subject) *routes {
	var mu sync.Mutex // guards buses
	buses := map[string]func() ([]rule, error){}
	r := &routes{queue: q, home: home}
	r.onBus = func(name string) *nextBus {
		mu.Lock()
		if buses[name] == nil {
			buses[name] = once(ctx, func(ctx context.Context) ([]rule, error) {
				b, err := home.bus(name)
				if err != nil {
					return nil, err
				}
				return b.rulesToFirst(ctx, q.targets())
			})
		}
		ask := buses[name]
		mu.Unlock()
		rules, err := ask()
		return &nextBus{rules, err, r.makeRule(home.scope, name)}
	}
	return r
}

// ask returns a question for the rules of a scope's default bus that lead to the queue.
func (r *routes) ask(ctx context.Context, s *subject) func() ([]rule, error) {
	return once(ctx, func(ctx context.Context) ([]rule, error) {
		b, err := s.bus(defaultBus)
		if err != nil {
			return nil, err
		}
		return findRoute(ctx, b, r.queue.targets(), r.queue.buses(), r.onBus)
	})
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
	others, err := b.forwarders(ctx, func(arn string) (*nextBus, bool) {
		name, is := strings.CutPrefix(arn, buses)
		if !is || name == defaultBus {
			return nil, false
		}
		return busRules(name), true
	})
	return append(out, others...), err
}

// leadOn reports whether one of the rules may lead to the queue.
func leadOn(rules []rule) bool {
	return slices.ContainsFunc(rules, func(r rule) bool { return r.next == nil || r.next.err != nil || len(r.next.rules) > 0 })
}
