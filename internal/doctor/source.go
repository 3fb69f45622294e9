package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/robfig/cron/v3"

	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// trailAPI is the part of CloudTrail that is asked.
type trailAPI interface {
	DescribeTrails(context.Context, *cloudtrail.DescribeTrailsInput, ...func(*cloudtrail.Options)) (*cloudtrail.DescribeTrailsOutput, error)
	GetTrailStatus(context.Context, *cloudtrail.GetTrailStatusInput, ...func(*cloudtrail.Options)) (*cloudtrail.GetTrailStatusOutput, error)
	GetEventSelectors(context.Context, *cloudtrail.GetEventSelectorsInput, ...func(*cloudtrail.Options)) (*cloudtrail.GetEventSelectorsOutput, error)
}

// trail is what CloudTrail says of one trail.
type trail struct {
	arn, home     string
	everywhere    bool // multi-Region
	logging       bool
	deliveryError string
	basic         []types.EventSelector
	advanced      []types.AdvancedEventSelector
	unknown       *finding // what could not be asked of it
}

const maxTrails = 20 // asked for in a Region

func (e *exam) trail(ctx context.Context, s *subject) finding {
	all, err := askTrails(ctx, cloudtrail.NewFromConfig(s.cfg), s.scope.Region)
	if err != nil {
		return unanswered(err)
	}
	return judgeTrails(s.scope.Region, all)
}

// askTrails asks about the trails that cover the Region.
func askTrails(ctx context.Context, api trailAPI, region string) (all []trail, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneCheck)
	defer cancel()
	out, err := api.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	for _, t := range out.TrailList {
		x := trail{arn: aws.ToString(t.TrailARN), home: aws.ToString(t.HomeRegion), everywhere: aws.ToBool(t.IsMultiRegionTrail)}
		switch {
		case !x.covers(region):
			continue
		case len(all) == maxTrails:
			x.unknown = &finding{Unknown, fmt.Sprintf("can't tell: none of the %d trails that were asked about will do, and more cover this Region", maxTrails), ""}
			return append(all, x), nil
		}
		x.ask(ctx, api)
		all = append(all, x)
	}
	return all, nil
}

func (t trail) covers(region string) bool { return t.everywhere || t.home == region }

func (t *trail) ask(ctx context.Context, api trailAPI) {
	status, err := api.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: &t.arn})
	if err != nil {
		f := unanswered(err)
		t.unknown = &f
		return
	}
	t.logging, t.deliveryError = aws.ToBool(status.IsLogging), aws.ToString(status.LatestDeliveryError)
	selectors, err := api.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: &t.arn})
	if err != nil {
		f := unanswered(err)
		t.unknown = &f
		return
	}
	t.basic, t.advanced = selectors.EventSelectors, selectors.AdvancedEventSelectors
}

// judgeTrails: EventBridge receives calls only while a trail that covers the
// Region logs them. One that will do is enough.
func judgeTrails(region string, all []trail) (best finding) {
	const silent = ": EventBridge receives no deletions"
	if len(all) == 0 {
		return finding{Fail, "no trail covers this Region" + silent,
			"aws cloudtrail create-trail --name flowkeeper --is-multi-region-trail --s3-bucket-name YOUR-BUCKET --region " + region +
				" && aws cloudtrail start-logging --name flowkeeper --region " + region}
	}
	order := []Status{OK, Warn, Unknown, Fail} // a warning is of a trail that logs
	for _, t := range all {
		if f := t.judge(); best.status == "" || slices.Index(order, f.status) < slices.Index(order, best.status) {
			best = f
		}
	}
	if best.status == Fail {
		best.detail += silent
	}
	return best
}

func (t trail) judge() finding {
	name := t.arn[strings.LastIndex(t.arn, "/")+1:]
	switch {
	case t.unknown != nil:
		return *t.unknown
	case !t.logging:
		return finding{Fail, "the trail " + name + " does not log", "aws cloudtrail start-logging --name " + shellWord(t.arn) + " --region " + t.home}
	}
	switch t.logsWrites() {
	case Unknown:
		return finding{Unknown, "can't tell: read the advanced event selectors of the trail " + name + ": do they take DeleteFlowLogs and CreateFlowLogs?",
			"aws cloudtrail get-event-selectors --trail-name " + shellWord(t.arn) + " --region " + t.home}
	case Fail:
		return finding{Fail, "the trail " + name + " does not log management write events of EC2",
			"aws cloudtrail put-event-selectors --trail-name " + shellWord(t.arn) + " --region " + t.home + ` --event-selectors '[{"ReadWriteType":"All","IncludeManagementEvents":true}]' (this replaces its other selectors: put them into the list)`}
	}
	if t.deliveryError != "" {
		return finding{Warn, fmt.Sprintf("the trail %s logs, but its last delivery to S3 failed: %s", name, t.deliveryError), "see the bucket's policy and key: aws cloudtrail get-trail-status --name " + shellWord(t.arn) + " --region " + t.home}
	}
	return fine("%s logs", name)
}

// logsWrites judges whether the trail's selectors take write events of EC2. One
// that does is enough, and a trail without any takes every management event.
func (t trail) logsWrites() Status {
	if len(t.basic)+len(t.advanced) == 0 || slices.ContainsFunc(t.basic, basicTakes) {
		return OK
	}
	best := Fail
	for _, s := range t.advanced {
		if status := advancedTakes(s); rank(status) < rank(best) {
			best = status
		}
	}
	return best
}

func basicTakes(s types.EventSelector) bool {
	return (s.IncludeManagementEvents == nil || *s.IncludeManagementEvents) && s.ReadWriteType != types.ReadWriteTypeReadOnly &&
		!slices.Contains(s.ExcludeManagementEventSources, ec2Source)
}

const ec2Source = "ec2.amazonaws.com"

// advancedTakes judges selectors as CloudTrail's console makes them for management
// events: by category, by reads and writes, without some services. Of any other it
// can't tell.
func advancedTakes(s types.AdvancedEventSelector) Status {
	status := OK
	for _, f := range s.FieldSelectors {
		name := aws.ToString(f.Field)
		switch {
		case name == "eventCategory" && !slices.Contains(f.Equals, "Management"),
			name == "readOnly" && !slices.Contains(f.Equals, "false"),
			name == "eventSource" && slices.Contains(f.NotEquals, ec2Source):
			return Fail
		case name == "eventCategory", name == "readOnly", name == "eventSource" && len(f.NotEquals) > 0 && len(f.Equals)+len(f.StartsWith)+len(f.EndsWith)+len(f.NotStartsWith)+len(f.NotEndsWith) == 0:
		default:
			status = Unknown
		}
	}
	return status
}

// eventsAPI is the part of EventBridge that is asked. CloudTrail's events come
// by the default bus.
type eventsAPI interface {
	ListRuleNamesByTarget(context.Context, *eventbridge.ListRuleNamesByTargetInput, ...func(*eventbridge.Options)) (*eventbridge.ListRuleNamesByTargetOutput, error)
	ListRules(context.Context, *eventbridge.ListRulesInput, ...func(*eventbridge.Options)) (*eventbridge.ListRulesOutput, error)
	DescribeRule(context.Context, *eventbridge.DescribeRuleInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeRuleOutput, error)
	ListTargetsByRule(context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options)) (*eventbridge.ListTargetsByRuleOutput, error)
	TestEventPattern(context.Context, *eventbridge.TestEventPatternInput, ...func(*eventbridge.Options)) (*eventbridge.TestEventPatternOutput, error)
}

// bus is one of an account and Region.
type bus struct {
	api          eventsAPI
	region, name string
}

const defaultBus = "default"

// options of a command on the bus's rules.
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
	fix   string // what makes one
}

// Rules that are looked through for a target. A bus has 300 at most, if AWS was
// not asked for more.
const (
	maxRules     = 100 // of a page
	maxRulePages = 3
)

// routes sets out how each scope's rules are asked for.
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

// queueTargets are the targets from which events come to the queue: itself, and
// the topics that its policy lets send.
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

// leadOn reports whether one of the rules may lead on to the queue.
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

// eventRule judges whether the scope's events reach the queue.
func (e *exam) eventRule(ctx context.Context, s *subject) finding {
	rules, err := s.route()
	switch {
	case err != nil:
		return unanswered(err)
	case len(rules) == 0:
		return e.noRule(s)
	}
	return judgeRules(rules, e.proven(s.scope))
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

func (e *exam) noRule(s *subject) finding {
	for _, x := range e.queueTargets()[1:] {
		return finding{Unknown, "can't tell: no rule leads to the queue or to " + x + ", which may send to it: CloudTrail itself may publish there",
			"see that the trail's SnsTopicARN is that topic: aws cloudtrail describe-trails --region " + s.scope.Region}
	}
	return finding{Fail, "no rule leads to " + e.queueARN(), e.makeRule(s.scope, defaultBus)}
}

// makeRule is the commands that make the rule of a scope, on one of its buses.
func (e *exam) makeRule(s inventory.Scope, name string) string {
	target := "Id=queue,Arn=" + e.queueARN()
	if s != e.home.scope {
		target = "Id=bus,Arn=" + e.buses() + defaultBus + ",RoleArn=YOUR-ROLE-THAT-MAY-PUT-EVENTS"
	}
	return fmt.Sprintf("aws events put-rule --name flowkeeper %[1]s --event-pattern file://deploy/eventbridge-pattern.json && aws events put-targets --rule flowkeeper %[1]s --targets %[2]s",
		bus{region: s.Region, name: name}.options(), shellWord(target))
}

// roundTrip is the proof of the whole way: the rehearsals' own records.
func (e *exam) roundTrip(ctx context.Context, s *subject) finding {
	m, err := e.stateFacts()
	if err != nil {
		return finding{Skipped, noStateFile, ""}
	}
	if len(m.rows[s.scope]) == 0 {
		return finding{Skipped, nothingHere, ""}
	}
	return judgePipeline(m.pipelines[s.scope], e.d.Config.Rehearsal.Schedule, e.d.Now())
}

// patience: CloudTrail delivers within fifteen minutes, as a rule.
const patience = 30 * time.Minute

// judgePipeline judges by the last rehearsals, made by a schedule, whether records arrive.
func judgePipeline(w rehearse.PipelineHealth, schedule string, now time.Time) finding {
	const look = "see the checks above: trail, rule, queue"
	late := w.Unanswered > 0 && now.Sub(w.UnansweredSince) > patience
	switch {
	case late && w.BackAt.IsZero():
		return finding{Fail, fmt.Sprintf("no rehearsal ever came back, the first was %s ago: deletions do not arrive", now.Sub(w.UnansweredSince).Round(time.Second)), look}
	case late:
		return finding{Fail, plural(w.Unanswered, "rehearsal", "rehearsals") + " did not come back, since " + w.UnansweredSince.UTC().Format(time.RFC3339) + ": deletions may not arrive", look}
	case w.BackAt.IsZero() && w.Unanswered > 0:
		return finding{Unknown, "can't tell yet: the first rehearsal is on its way since " + w.UnansweredSince.UTC().Format(time.RFC3339), ""}
	case w.BackAt.IsZero():
		return finding{Unknown, "can't tell: nothing was rehearsed yet (rehearsal.schedule; it needs a protected flow log)", ""}
	case old(schedule, w.BackAt, now):
		return finding{Unknown, "can't tell: no rehearsal was made since " + w.BackAt.UTC().Format(time.RFC3339) + ", when the last one came back", "see that the daemon runs, and that rehearsal.schedule is not empty"}
	}
	return fine("the last one %s ago", now.Sub(w.BackAt).Round(time.Second))
}

// old reports that more than a whole round went by.
func old(schedule string, at, now time.Time) bool {
	s, err := cron.ParseStandard(schedule)
	return err != nil || now.After(s.Next(s.Next(at)).Add(patience))
}

// proven reports whether the scope's last rehearsal came back through the queue.
func (e *exam) proven(s inventory.Scope) bool {
	m, err := e.stateFacts()
	return err == nil && judgePipeline(m.pipelines[s], e.d.Config.Rehearsal.Schedule, e.d.Now()).status == OK
}
