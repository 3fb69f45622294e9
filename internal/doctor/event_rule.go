package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/inventory"
)

// eventRule judges whether the scope's events reach the queue.
func (s *subject) eventRule(context.Context) finding {
	rules, err := s.rules()
	switch {
	case err != nil:
		return unanswered(err)
	case len(rules) == 0:
		return s.routes.noRule(s.scope)
	}
	return judgeRules(rules, s.machine.proven(s.scope))
}

// judgeRules: one that works is enough. proven is whether records came back
// through the queue.
func judgeRules(rules []rule, proven bool) (best finding) {
	for _, r := range rules {
		if f := r.judge(proven); best.status == "" || rank(f.status) < rank(best.status) {
			best = f
		}
	}
	return best
}

// judge the rule, and those of the bus that it forwards to.
func (r rule) judge(proven bool) finding {
	f := r.judgeTarget(proven)
	if r.next == nil || f.status == Fail {
		return f
	}
	if r.next.err != nil {
		u := unanswered(r.next.err)
		u.detail = f.detail + ", and from there: " + u.detail
		return u
	}
	if len(r.next.rules) == 0 {
		return finding{Fail, f.detail + ", but no rule of that bus leads to the queue", r.next.fix}
	}
	then := judgeRules(r.next.rules, proven)
	if then.status == Fail {
		return then
	}
	f.detail += ", from there " + then.detail
	if rank(then.status) > rank(f.status) {
		f.status, f.fix = then.status, then.fix
	}
	return f
}

func (r rule) judgeTarget(proven bool) finding {
	arn := aws.ToString(r.target.Arn)
	switch {
	case !r.enabled:
		return finding{Fail, "the rule " + r.name + " is disabled", "aws events enable-rule --name " + shellWord(r.name) + " " + r.on.options()}
	case r.target.Input != nil:
		return finding{Fail, "the rule " + r.name + " sends a constant text instead of the event", r.sendWhole()}
	case !wholeRecord(aws.ToString(r.target.InputPath)):
		return finding{Fail, "the rule " + r.name + " sends only " + aws.ToString(r.target.InputPath) + " of the event, not the whole record", r.sendWhole()}
	case r.target.InputTransformer != nil:
		return finding{Warn, "the rule " + r.name + " transforms what it sends: whether the record is still in it is not known", "take InputTransformer out of its target"}
	case isTopic(arn) && !proven:
		return finding{Unknown, "can't tell: the rule " + r.name + " leads to " + arn + ", and whether the queue is subscribed there, to all of it, is not asked: a rehearsal that comes back proves it",
			"see that the queue is subscribed, without a filter policy: aws sns list-subscriptions-by-topic --topic-arn " + shellWord(arn) + " --region " + partsOf(arn).Region}
	}
	return fine("%s to %s", r.name, arn)
}

// wholeRecord reports whether what is at the path of an event is something that
// the watcher finds the record in.
func wholeRecord(path string) bool {
	dotted := strings.NewReplacer("['", ".", `["`, ".", "']", "", `"]`, "").Replace(path)
	return dotted == "" || dotted == "$" || dotted == "$.detail"
}

// sendWhole is the command that has the rule's target get events as they are.
func (r rule) sendWhole() string {
	target := "Id=" + aws.ToString(r.target.Id) + ",Arn=" + aws.ToString(r.target.Arn)
	if r.target.RoleArn != nil {
		target += ",RoleArn=" + *r.target.RoleArn
	}
	return "aws events put-targets --rule " + shellWord(r.name) + " " + r.on.options() + " --targets " + shellWord(target)
}

func (r *routes) noRule(s inventory.Scope) finding {
	for _, topic := range r.queue.targets()[1:] {
		return finding{Unknown, "can't tell: no rule leads to the queue or to " + topic + ", which may send to it: CloudTrail itself may publish there",
			"see that the trail's SnsTopicARN is that topic: aws cloudtrail describe-trails --region " + s.Region}
	}
	return finding{Fail, "no rule leads to " + r.queue.arn(), r.makeRule(s, defaultBus)}
}

// makeRule is the commands that make the rule of a scope, on one of its buses.
func (r *routes) makeRule(s inventory.Scope, name string) string {
	target := "Id=queue,Arn=" + r.queue.arn()
	if s != r.home.scope {
		target = "Id=bus,Arn=" + r.queue.buses() + defaultBus + ",RoleArn=YOUR-ROLE-THAT-MAY-PUT-EVENTS"
	}
	return fmt.Sprintf("aws events put-rule --name flowkeeper %[1]s --event-pattern file://deploy/eventbridge-pattern.json && aws events put-targets --rule flowkeeper %[1]s --targets %[2]s",
		bus{region: s.Region, name: name}.options(), shellWord(target))
}
