package sigma_test

import (
	"fmt"
	"strings"

	"flowkeeper/internal/detection"
)

// others are calls that match no rule.
func others() (out []record) {
	for _, source := range keys(nearby) {
		for _, name := range nearby[source] {
			c := call{source: source + aws, event: name, request: `{}`}
			out = append(out, record{name: "nearby: " + source + " " + name, raw: c.json()})
		}
	}
	for _, c := range [][2]string{
		{"elasticloadbalancing", "DeleteRule"}, {"s3-outposts", "DeleteBucketPolicy"}, {"lightsail", "DeleteBucket"},
		{"waf", "DeleteRule"}, {"logs", "DeleteFlowLogs"}, {"s3", "DeleteRule"}, {"ec2", "DeleteRole"}, {"iam", "CreateFlowLogs"},
	} {
		of := call{source: c[0] + aws, event: c[1], request: `{}`}
		out = append(out, record{name: fmt.Sprintf("another service: %s %s", c[0], c[1]), raw: of.json()})
	}
	for _, c := range [][2]string{{"ec2", "DescribeFlowLogs"}, {"logs", "DeleteFlowLogs"}} {
		of := call{source: c[0] + aws, event: c[1], errorCode: `"AccessDenied"`}
		out = append(out, record{name: fmt.Sprintf("refused: %s %s", c[0], c[1]), raw: of.json()})
	}
	return append(out,
		record{name: "ec2 DeleteVpc, done", raw: call{source: "ec2" + aws, event: "DeleteVpc", request: `{"vpcId":"vpc-0aaaaaaaaaaaaaaa1"}`, response: `{"_return":true}`}.json()},
		record{name: "ec2 DeleteVpc, refused", raw: call{source: "ec2" + aws, event: "DeleteVpc", errorCode: `"Client.DependencyViolation"`, request: `{"vpcId":"vpc-0aaaaaaaaaaaaaaa1"}`}.json()},
	)
}

// oddities are records in forms that AWS rarely writes, or may write one day.
//
// Three forms are left out, because AWS writes none of them, and because the code and the Sigma files judge
// them differently: an errorCode, eventCategory or eventType that is an empty text (the code takes it as
// missing, Sigma as a text), a dry run without an error code (the code takes it as an attempt), and
// managementEvent false without a category (for the code this is no management event).
func oddities() (out []record) {
	delete := calls["ec2"]["DeleteFlowLogs"]
	base := call{source: "ec2" + aws, event: "DeleteFlowLogs", request: delete.request, response: delete.response}
	stop := call{source: "cloudtrail" + aws, event: "StopLogging", request: calls["cloudtrail"]["StopLogging"].request}
	for _, b := range []struct {
		name string
		call call
	}{{"DeleteFlowLogs", base}, {"StopLogging", stop}} {
		add := func(name string, change func(*call)) {
			c := b.call
			change(&c)
			out = append(out, record{name: "odd: " + b.name + ", " + name, raw: c.json()})
		}
		for _, v := range []string{"1.02", "1.05", "1.08", "1.09", "1.10", "2.00"} {
			add("eventVersion "+v, func(c *call) { c.version = `"` + v + `"` })
		}
		add("eventVersion a number", func(c *call) { c.version = `1.11` })
		for _, field := range []string{"eventVersion", "userIdentity", "requestParameters", "responseElements", "managementEvent", "eventTime", "eventID", "recipientAccountId", "eventCategory", "eventType"} {
			add("no "+field, func(c *call) { c.without = field })
		}
		add("errorCode null", func(c *call) { c.errorCode = "null" })
		add("errorCode null with parameters null", func(c *call) { c.errorCode, c.request = "null", "null" })
		add("eventCategory and eventType null", func(c *call) { c.category, c.kind = "null", "null" })
		add("eventCategory and eventType objects", func(c *call) { c.category, c.kind = "{}", "[]" })
		add("errorCode false", func(c *call) { c.errorCode = `false` })
		add("errorCode an object", func(c *call) { c.errorCode = `{"code":"x"}` })
		add("a service's address and agent", func(c *call) { c.ip, c.agent = `"cloudformation.amazonaws.com"`, `"cloudformation.amazonaws.com"` })
		add("a quote in the agent", func(c *call) { c.agent = `"' OR errorCode IS NULL --"` })
	}
	return out
}

// noCalls are the first event of each rule, done and refused, in records of other categories and types, and in
// old records that have neither field.
func noCalls() (out []record) {
	kinds := [][2]string{
		{"Data", "AwsApiCall"}, {"Insight", "AwsCloudTrailInsight"}, {"NetworkActivity", "AwsVpceEvent"}, {"Management", "AwsVpceEvent"},
		{"Management", "AwsServiceEvent"}, {"Management", "AwsConsoleSignIn"}, {"Other", "AwsApiCall"}, {"Management", "Other"},
	}
	seen := map[string]bool{}
	for _, r := range detection.Rules() {
		source, event := strings.TrimSuffix(r.EventSource, aws), r.EventNames[0]
		done := call{source: r.EventSource, event: event, request: calls[source][event].request, response: calls[source][event].response}
		if seen[source+event] {
			continue
		}
		seen[source+event] = true
		refused := call{source: r.EventSource, event: event, errorCode: `"VpceAccessDenied"`}
		for _, c := range []struct {
			call
			how string
		}{{done, ""}, {refused, ", refused"}} {
			name := source + " " + event + c.how
			for _, k := range kinds {
				c.category, c.kind = `"`+k[0]+`"`, `"`+k[1]+`"`
				out = append(out, record{name: name + ", " + k[0] + ", " + k[1], raw: c.json()})
			}
			c.category, c.kind = "", ""
			for _, field := range []string{"eventCategory", "eventType"} {
				c.without = field
				out = append(out, record{name: name + ", no " + field, raw: c.json()})
			}
		}
	}
	return out
}
