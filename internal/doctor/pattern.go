package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
)

// eventPattern has EventBridge itself match samples, with each rule on the way.
func (e *exam) eventPattern(ctx context.Context, s *subject) []finding {
	r, err := s.route.get(ctx)
	if err != nil {
		return one(unheardOf(err))
	}
	return one(testPatterns(ctx, eventbridge.NewFromConfig(s.cfg), r.rules, samples(s.scope, e.d.Now())))
}

// works leaves out rules that bring nothing, whatever they match, if there are
// others.
func works(rules []rule) []rule {
	on := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return r.judge(true).status == Fail })
	if len(on) == 0 {
		return rules
	}
	return on
}

// gap is the samples that no rule of one half of the way matches.
type gap struct {
	rules        []rule
	missed, less []string
}

func (g *gap) add(rules []rule, x sample) {
	g.rules = append(g.rules, rules...)
	if x.must {
		g.missed = append(g.missed, x.name)
	} else {
		g.less = append(g.less, x.name)
	}
}

func (g gap) finding() finding {
	if len(g.rules) == 0 {
		return finding{status: OK}
	}
	var names []string
	for _, r := range g.rules {
		if !slices.Contains(names, r.name) {
			names = append(names, r.name)
		}
	}
	fix := "aws events put-rule --name " + word(names[0]) + " " + g.rules[0].on.options() + " --event-pattern file://deploy/eventbridge-pattern.json"
	who := "the pattern of " + strings.Join(names, ", ") + " does not match "
	if len(g.missed) > 0 {
		return finding{Fail, who + strings.Join(g.missed, ", "), fix}
	}
	return finding{Warn, who + strings.Join(g.less, ", "), fix}
}

// testPatterns: any way will do for a sample, if rules on both its halves match
// it.
func testPatterns(ctx context.Context, api eventsAPI, rules []rule, all []sample) finding {
	var gaps [2]gap
	for _, x := range all {
		on := rules
		for n := range gaps {
			if len(on) == 0 {
				return finding{Skipped, "no rule was found", ""}
			}
			on = works(on)
			hit, err := matching(ctx, api, on, x)
			if err != nil {
				return unheardOf(err)
			}
			if len(hit) == 0 {
				gaps[n].add(on, x)
				break
			}
			next, there, err := onwards(hit)
			if err != nil {
				return unheardOf(err)
			}
			if there {
				break
			}
			on = next
		}
	}
	worst := fine("EventBridge matched %d samples", len(all))
	for _, g := range gaps {
		if f := g.finding(); rank(f.status) > rank(worst.status) {
			worst = f
		}
	}
	return worst
}

// matching are the rules that match a sample, up to the first that leads to the
// queue.
func matching(ctx context.Context, api eventsAPI, rules []rule, x sample) (out []rule, err error) {
	for _, r := range rules {
		if r.pattern == "" {
			continue
		}
		call, cancel := context.WithTimeout(ctx, oneCall)
		got, err := api.TestEventPattern(call, &eventbridge.TestEventPatternInput{Event: &x.body, EventPattern: &r.pattern})
		cancel()
		if err != nil {
			return nil, &refused{"events:TestEventPattern", err}
		}
		if !got.Result {
			continue
		}
		if out = append(out, r); r.next == nil {
			break
		}
	}
	return out, nil
}

// onwards are the rules that come next, unless the event is there.
func onwards(rules []rule) (next []rule, there bool, err error) {
	for _, r := range rules {
		if r.next == nil {
			return nil, true, nil
		}
		next, err = append(next, r.next.rules...), errors.Join(err, r.next.err)
	}
	return next, false, err
}
