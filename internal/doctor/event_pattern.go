package doctor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"flowkeeper/inventory"
)

// eventPattern has EventBridge match sample events with the patterns of the rules.
func (s *subject) eventPattern(ctx context.Context) finding {
	rules, err := s.rules()
	if err != nil {
		return unanswered(err)
	}
	return testPatterns(ctx, eventbridge.NewFromConfig(s.cfg), rules, samples(s.scope, s.machine.now()))
}

// works returns the rules without those that fail for another reason than their pattern, or
// all if all of them do.
func works(rules []rule) []rule {
	on := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return r.judge(true).status == Fail })
	if len(on) == 0 {
		return rules
	}
	return on
}

// gap is the samples that none of the rules of a bus matches.
type gap struct {
	rules        []rule
	missed, less []string
}

func (g gap) finding() finding {
	var names []string
	for _, r := range g.rules {
		names = addNew(names, r.name)
	}
	who := "the pattern of " + strings.Join(names, ", ") + " does not match "
	fix := "aws events put-rule --name " + shellWord(names[0]) + " " + g.rules[0].on.options() + " --event-pattern file://deploy/eventbridge-pattern.json"
	if len(g.missed) > 0 {
		return finding{Fail, who + strings.Join(g.missed, ", "), fix}
	}
	return finding{Warn, who + strings.Join(g.less, ", "), fix}
}

// testPatterns asks EventBridge whether each sample reaches the queue: whether a rule on each
// bus in between matches it.
func testPatterns(ctx context.Context, api eventsAPI, rules []rule, all []sample) finding {
	gaps := map[string]*gap{} // by the bus on which they are
	for _, x := range all {
		stop, err := stopsAt(ctx, api, rules, x)
		switch {
		case err != nil:
			return unanswered(err)
		case stop == nil:
			continue
		case len(stop) == 0:
			return finding{Skipped, "no rule was found", ""}
		}
		g := gaps[stop[0].on.options()]
		if g == nil {
			g = &gap{}
			gaps[stop[0].on.options()] = g
		}
		g.rules = append(g.rules, stop...)
		if x.must {
			g.missed = append(g.missed, x.name)
		} else {
			g.less = append(g.less, x.name)
		}
	}
	worst := fine("EventBridge matched %d samples", len(all))
	for _, bus := range slices.Sorted(maps.Keys(gaps)) {
		if f := gaps[bus].finding(); rank(f.status) > rank(worst.status) {
			worst = f
		}
	}
	return worst
}

// stopsAt returns the rules of the bus on which no rule matches the sample; nil: it reaches the
// queue.
func stopsAt(ctx context.Context, api eventsAPI, rules []rule, x sample) ([]rule, error) {
	var onward []rule
	var unasked error
	on, hit := works(rules), false
	for _, r := range on {
		if r.pattern == "" {
			continue
		}
		call, cancel := context.WithTimeout(ctx, oneCall)
		got, err := api.TestEventPattern(call, &eventbridge.TestEventPatternInput{Event: &x.body, EventPattern: &r.pattern})
		cancel()
		switch {
		case err != nil:
			return nil, err
		case !got.Result:
			continue
		case r.next == nil:
			return nil, nil
		}
		hit, onward, unasked = true, append(onward, r.next.rules...), errors.Join(unasked, r.next.err)
	}
	if !hit {
		return append([]rule{}, on...), nil
	}
	if unasked != nil {
		return nil, unasked
	}
	return stopsAt(ctx, api, onward, x)
}

// sample is an event as EventBridge gets it from CloudTrail.
type sample struct {
	name string
	must bool // without it Flowkeeper does not receive deletions or rehearsals
	body string
}

// samples of one scope, in the full envelope that TestEventPattern wants.
func samples(s inventory.Scope, at time.Time) []sample {
	const noID = `"FlowLogId":{"tag":1,"content":"fl-00000000000000000"}`
	return []sample{
		{"a deletion", true, event(s, at, "ec2", "DeleteFlowLogs", `{"DeleteFlowLogsRequest":{`+noID+`}}`, `{"DeleteFlowLogsResponse":{"unsuccessful":""}}`, "")},
		{"a refused deletion", true, event(s, at, "ec2", "DeleteFlowLogs", `{"DeleteFlowLogsRequest":{`+noID+`}}`, "", "Client.UnauthorizedOperation")},
		{"a rehearsal", true, event(s, at, "ec2", "CreateFlowLogs", `{"CreateFlowLogsRequest":{"DryRun":true,"ResourceId":{"tag":1,"content":"vpc-00000000000000000"},"ClientToken":"flowkeeper-rehearsal-sample"}}`, "", "Client.DryRunOperation")},
		{"a creation", true, event(s, at, "ec2", "CreateFlowLogs", `{"CreateFlowLogsRequest":{"ResourceId":{"tag":1,"content":"vpc-00000000000000000"}}}`, `{"CreateFlowLogsResponse":{"unsuccessful":"","flowLogIdSet":{"item":"fl-00000000000000000"}}}`, "")},
		{"the end of a VPC", false, event(s, at, "ec2", "DeleteVpc", `{"vpcId":"vpc-00000000000000000"}`, `{"_return":true}`, "")},
		{"a stopped trail", false, event(s, at, "cloudtrail", "StopLogging", `{"name":"sample"}`, "", "")},
	}
}

// event returns an event of EventBridge with the record of a call. request and response are JSON;
// an empty response: there was none.
func event(s inventory.Scope, at time.Time, service, name, request, response, errorCode string) string {
	failure := ""
	if errorCode != "" {
		failure = `"errorCode":"` + errorCode + `","errorMessage":"sample",`
	}
	return strings.NewReplacer("ACCOUNT", s.Account, "REGION", s.Region, "PARTITION", inventory.Partition(s.Region), "TIME", at.UTC().Format(time.RFC3339),
		"SERVICE", service, "CALL", name, "REQUEST", request, "RESPONSE", cmp.Or(response, "null"), "FAILURE", failure).Replace(envelope)
}

const envelope = `{"version":"0","id":"00000000-0000-4000-8000-000000000000","account":"ACCOUNT","region":"REGION","time":"TIME","source":"aws.SERVICE","resources":[],
"detail":{"eventVersion":"1.10","eventID":"00000000-0000-4000-8000-000000000000","requestID":"00000000-0000-4000-8000-000000000000",
	"eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true,"readOnly":false,FAILURE
	"eventTime":"TIME","eventSource":"SERVICE.amazonaws.com","eventName":"CALL","awsRegion":"REGION","recipientAccountId":"ACCOUNT",
	"userIdentity":{"type":"IAMUser","accountId":"ACCOUNT","userName":"sample","arn":"arn:PARTITION:iam::ACCOUNT:user/sample"},
	"sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.17.0","requestParameters":REQUEST,"responseElements":RESPONSE
},"detail-type":"AWS API Call via CloudTrail"}`
