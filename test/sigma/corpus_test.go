package sigma_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"flowkeeper/internal/detection"
)

// record is one CloudTrail record of the corpus.
type record struct {
	name string
	raw  json.RawMessage

	// nothingDone: AWS answered with 200, but did nothing that the call asked for. Only the code
	// sees that: a Sigma rule can't read the answer.
	nothingDone bool
}

// call has the fields of a record that differ; texts are JSON.
type call struct {
	source, event     string
	version, identity string
	errorCode         string // empty: the record has none
	request, response string
	without           string // a field that the record lacks
	ip, agent         string
	category, kind    string // eventCategory and eventType
}

func (c call) json() json.RawMessage {
	fields := [][2]string{
		{"eventVersion", or(c.version, `"1.11"`)},
		{"userIdentity", or(c.identity, identities[0].json)},
		{"eventTime", `"2026-03-01T12:02:26Z"`},
		{"eventSource", `"` + c.source + `"`},
		{"eventName", `"` + c.event + `"`},
		{"awsRegion", `"eu-west-1"`},
		{"sourceIPAddress", or(c.ip, `"198.51.100.7"`)},
		{"userAgent", or(c.agent, `"aws-cli/2.17.0"`)},
		{"errorCode", c.errorCode},
		{"errorMessage", message(c.errorCode)},
		{"requestParameters", or(c.request, "null")},
		{"responseElements", or(c.response, "null")},
		{"requestID", `"59dbff89-35bd-4eac-99ed-be587EXAMPLE"`},
		{"eventID", `"6f0c4a1e-0000-4000-8000-000000000001"`},
		{"readOnly", "false"}, {"eventType", or(c.kind, `"AwsApiCall"`)}, {"managementEvent", "true"},
		{"recipientAccountId", `"111122223333"`}, {"eventCategory", or(c.category, `"Management"`)},
	}
	var parts []string
	for _, f := range fields {
		if f[1] != "" && f[0] != c.without {
			parts = append(parts, fmt.Sprintf("%q:%s", f[0], f[1]))
		}
	}
	return json.RawMessage("{" + strings.Join(parts, ",") + "}")
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func message(code string) string {
	if code == "" || code == "null" {
		return ""
	}
	return `"refused"`
}

const aws = ".amazonaws.com"

// combinations are records of each event of each rule, and of other events, in each service, with each outcome.
// Identities and versions take turns.
func combinations() (out []record) {
	sources := append(keys(calls), "lambda", "elasticloadbalancing")
	every := everyCall()
	versions := []string{`"1.05"`, `"1.08"`, `"1.09"`, `"1.10"`, `"1.11"`, `1.08`}
	for _, source := range sources {
		for _, name := range keys(every) {
			for _, o := range outcomes {
				id := identities[len(out)%len(identities)]
				c := o.of(call{source: source + aws, event: name, identity: id.json, version: versions[len(out)%len(versions)], request: every[name].request, response: every[name].response})
				out = append(out, record{name: fmt.Sprintf("%s of %s by %s, %s", name, source, id.name, o.name), raw: c.json()})
			}
		}
	}
	return out
}

// byRule are records of each event of each rule: done, refused, and in another service.
func byRule() (out []record) {
	for _, r := range detection.Rules() {
		if len(r.EventNames) == 1 && strings.HasPrefix(r.EventSource, "ec2.") {
			continue // flowLogCalls has these, in more shapes
		}
		source := strings.TrimSuffix(r.EventSource, aws)
		for _, name := range r.EventNames {
			e, known := calls[source][name]
			if !known {
				panic("the corpus does not know how a record of " + name + " looks: add it to calls")
			}
			done := call{source: r.EventSource, event: name, request: e.request, response: e.response}
			refused := call{source: r.EventSource, event: name, errorCode: `"AccessDenied"`}
			elsewhere := call{source: "lambda" + aws, event: name, request: e.request, response: e.response}
			out = append(out, record{name: source + " " + name, raw: done.json()},
				record{name: source + " " + name + ", refused", raw: refused.json()},
				record{name: "another service: lambda " + name, raw: elsewhere.json()})
		}
	}
	return out
}

func corpus() []record {
	out := flowLogCalls()
	out = append(out, byRule()...)
	out = append(out, others()...)
	out = append(out, noCalls()...)
	return append(out, oddities()...)
}
