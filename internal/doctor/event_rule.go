package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"flowkeeper/inventory"
)

// eventRule judges whether the scope's events reach the queue. If the queue of queue.url does not exist, it says nothing
// about rules: the real queue may have another Region or name, and rules may lead to that.
func (s *subject) eventRule(context.Context) finding {
	rules, err := s.rules()
	_, queueErr := s.routes.queue.attrs()
	switch {
	case err != nil:
		return unanswered(err)
	case len(rules) == 0 && gone(queueErr):
		return skipped("there is no queue of this name, account and Region")
	case len(rules) == 0:
		return s.noRule()
	}
	return judgeRules(rules, s.machine.proven(s.scope))
}

// noRule is the finding if no rule leads from the scope to the queue. If log files bring the events, that is
// only a warning. In an organisation without such a rule in any scope it is noted: the organisation uses log
// files alone. A topic that may send to the queue then announces log files, and brings no records.
func (s *subject) noRule() finding {
	none := "no rule leads to " + s.routes.queue.arn()
	topics := s.routes.queue.targets()[1:]
	switch logFiles := len(s.machine.Config.LogFiles.Buckets) > 0; {
	case logFiles && s.machine.Protection != nil && !s.routes.expects(s.scope):
		return finding{noted, none + ": events come by the log files of log_files.buckets, some minutes later", ""}
	case logFiles:
		return finding{Warn, none + "; log files bring the events, some minutes later", s.makeRule()}
	case len(topics) > 0:
		return finding{Unknown, "can't tell: no rule leads to the queue or to " + topics[0] + ", which may send to it: CloudTrail itself may publish there",
			"see that the trail's SnsTopicARN is that topic: aws cloudtrail describe-trails --region " + s.scope.Region}
	}
	return finding{Fail, none, s.makeRule()}
}

// judgeRules returns the finding of the best rule: one that works is enough. proven is whether
// records came back through the queue.
func judgeRules(rules []rule, proven bool) (best finding) {
	for _, r := range rules {
		if f := r.judge(proven); best.status == "" || best.status.Worse(f.status) {
			best = f
		}
	}
	return best
}

// judge judges the rule, and those of the bus that it forwards to.
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
	if then.status.Worse(f.status) {
		f.status, f.fix = then.status, then.fix
	}
	return f
}

func (r rule) judgeTarget(proven bool) finding {
	arn := aws.ToString(r.target.Arn)
	parts := inventory.ParseARN(arn)
	switch {
	case !r.enabled:
		return finding{Fail, "the rule " + r.name + " is disabled", "aws events enable-rule --name " + shellWord(r.name) + " " + r.bus.options()}
	case r.target.Input != nil:
		return finding{Fail, "the rule " + r.name + " sends a constant text instead of the event", r.sendWhole()}
	case !wholeRecord(aws.ToString(r.target.InputPath)):
		return finding{Fail, "the rule " + r.name + " sends only " + aws.ToString(r.target.InputPath) + " of the event, not the whole record", r.sendWhole()}
	case r.target.InputTransformer != nil:
		return finding{Warn, "the rule " + r.name + " transforms what it sends: whether the record is still in it is not known", "take InputTransformer out of its target"}
	case parts.Service == "sns" && !proven:
		return finding{Unknown, "can't tell: the rule " + r.name + " leads to " + arn + ", and whether the queue is subscribed there, to all of it, is not asked: a rehearsal that comes back proves it",
			"see that the queue is subscribed, without a filter policy: aws sns list-subscriptions-by-topic --topic-arn " + shellWord(arn) + " --region " + parts.Region}
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
	return "aws events put-targets --rule " + shellWord(r.name) + " " + r.bus.options() + " --targets " + shellWord(target)
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

// eventPattern has EventBridge match sample events with the patterns of the rules.
func (s *subject) eventPattern(ctx context.Context) finding {
	rules, err := s.rules()
	if err != nil {
		return unanswered(err)
	}
	return testPatterns(ctx, eventbridge.NewFromConfig(s.cfg), rules, samples(s.scope, s.machine.Now()))
}

// works returns the rules without those that fail for another reason than their pattern, or
// all if all of them do.
func works(rules []rule) []rule {
	working := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return r.judge(true).status == Fail })
	if len(working) == 0 {
		return rules
	}
	return working
}

// testPatterns asks EventBridge whether each sample reaches the queue: on each bus on the way, a rule must
// match it. It reports the first sample that does not reach the queue, and the others that stop at the same
// rules.
func testPatterns(ctx context.Context, api eventsAPI, rules []rule, all []sample) finding {
	f, first := fine("EventBridge matched %d samples", len(all)), ""
	for _, x := range all {
		last, err := x.stopsAt(ctx, api, rules)
		switch {
		case err != nil:
			return unanswered(err)
		case last == nil:
			continue
		case len(last) == 0:
			return finding{Skipped, "no rule was found", ""}
		}
		var names []string
		for _, r := range last {
			names = addNew(names, r.name)
		}
		who := strings.Join(names, ", ")
		where := who + last[0].bus.options() // rules on different buses may have the same name
		switch {
		case f.status == OK:
			first = where
			f = finding{failIf(x.must), "the pattern of " + who + " does not match " + x.name,
				"aws events put-rule --name " + shellWord(names[0]) + " " + last[0].bus.options() + " --event-pattern file://deploy/eventbridge-pattern.json"}
		case where == first && f.status == failIf(x.must):
			f.detail += ", " + x.name
		}
	}
	return f
}

// stopsAt returns the rules of the bus on which no rule matches the sample; nil: the sample
// reaches the queue.
func (x sample) stopsAt(ctx context.Context, api eventsAPI, rules []rule) ([]rule, error) {
	var onward []rule
	var unasked error
	working, matched := works(rules), false
	for _, r := range working {
		if r.pattern == "" {
			continue
		}
		got, err := call(ctx, api.TestEventPattern, &eventbridge.TestEventPatternInput{Event: &x.body, EventPattern: &r.pattern})
		switch {
		case err != nil:
			return nil, err
		case !got.Result:
			continue
		case r.next == nil:
			return nil, nil
		}
		matched, onward, unasked = true, append(onward, r.next.rules...), errors.Join(unasked, r.next.err)
	}
	switch {
	case !matched:
		return append([]rule{}, working...), nil
	case unasked != nil:
		return nil, unasked
	}
	return x.stopsAt(ctx, api, onward)
}

// sample is an event as EventBridge gets it from CloudTrail.
type sample struct {
	name string
	must bool // without it Flowkeeper does not receive deletions or rehearsals
	body string
}

// samples of one scope, in the full envelope that TestEventPattern wants. Those with must set are
// first.
func samples(s inventory.Scope, at time.Time) []sample {
	const noID = `"FlowLogId":{"tag":1,"content":"fl-00000000000000000"}`
	sampleOf := func(name string, must bool, c apiCall) sample { return sample{name, must, c.event(s, at)} }
	return []sample{
		sampleOf("a deletion", true, apiCall{"ec2", "DeleteFlowLogs", `{"DeleteFlowLogsRequest":{` + noID + `}}`, `{"DeleteFlowLogsResponse":{"unsuccessful":""}}`, ""}),
		sampleOf("a refused deletion", true, apiCall{"ec2", "DeleteFlowLogs", `{"DeleteFlowLogsRequest":{` + noID + `}}`, "", "Client.UnauthorizedOperation"}),
		sampleOf("a rehearsal", true, apiCall{"ec2", "CreateFlowLogs", `{"CreateFlowLogsRequest":{"DryRun":true,"ResourceId":{"tag":1,"content":"vpc-00000000000000000"},"ClientToken":"flowkeeper-rehearsal-sample"}}`, "", "Client.DryRunOperation"}),
		sampleOf("a creation", true, apiCall{"ec2", "CreateFlowLogs", `{"CreateFlowLogsRequest":{"ResourceId":{"tag":1,"content":"vpc-00000000000000000"}}}`, `{"CreateFlowLogsResponse":{"unsuccessful":"","flowLogIdSet":{"item":"fl-00000000000000000"}}}`, ""}),
		sampleOf("the end of a VPC", false, apiCall{"ec2", "DeleteVpc", `{"vpcId":"vpc-00000000000000000"}`, `{"_return":true}`, ""}),
		sampleOf("a stopped trail", false, apiCall{"cloudtrail", "StopLogging", `{"name":"sample"}`, "", ""}),
	}
}

// apiCall is a call that CloudTrail records. request and response are JSON; an empty response: there was none; an empty
// errorCode: it succeeded.
type apiCall struct{ service, name, request, response, errorCode string }

// event returns an event of EventBridge with the record of the call.
func (c apiCall) event(s inventory.Scope, at time.Time) string {
	failure := ""
	if c.errorCode != "" {
		failure = `"errorCode":"` + c.errorCode + `","errorMessage":"sample",`
	}
	return strings.NewReplacer("ACCOUNT", s.Account, "REGION", s.Region, "PARTITION", inventory.Partition(s.Region), "TIME", at.UTC().Format(time.RFC3339),
		"SERVICE", c.service, "CALL", c.name, "REQUEST", c.request, "RESPONSE", cmp.Or(c.response, "null"), "FAILURE", failure).Replace(envelope)
}

const envelope = `{"version":"0","id":"00000000-0000-4000-8000-000000000000","account":"ACCOUNT","region":"REGION","time":"TIME","source":"aws.SERVICE","resources":[],
"detail":{"eventVersion":"1.10","eventID":"00000000-0000-4000-8000-000000000000","requestID":"00000000-0000-4000-8000-000000000000",
	"eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true,"readOnly":false,FAILURE
	"eventTime":"TIME","eventSource":"SERVICE.amazonaws.com","eventName":"CALL","awsRegion":"REGION","recipientAccountId":"ACCOUNT",
	"userIdentity":{"type":"IAMUser","accountId":"ACCOUNT","userName":"sample","arn":"arn:PARTITION:iam::ACCOUNT:user/sample"},
	"sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.17.0","requestParameters":REQUEST,"responseElements":RESPONSE
},"detail-type":"AWS API Call via CloudTrail"}`
