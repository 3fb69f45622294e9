package detection

import (
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
)

// Kind of finding. The JSON of `flowkeeper replay` has it: a public contract.
type Kind string

const (
	Deleted   Kind = "deletion"  // at least one flow log was deleted, or the record does not say which
	Attempted Kind = "attempt"   // DeleteFlowLogs, dry run or refused for every ID
	Created   Kind = "creation"  // CreateFlowLogs succeeded: the snapshot should know these
	Rehearsed Kind = "rehearsal" // a Flowkeeper tried a restore as a dry run; AWS may have refused it
	TornDown  Kind = "teardown"  // a VPC (Record.VPC) was deleted: AWS removes its flow logs without a record
	Tampered  Kind = "tamper"    // something was changed that flow logs may depend on
)

// RehearsalToken begins the ClientToken of every rehearsal.
const RehearsalToken = "flowkeeper-rehearsal-"

// Rule is what alerts say of a Sigma rule.
type Rule struct {
	ID    string      `json:"id"`
	Title string      `json:"title"`
	Level alert.Level `json:"level"`
}

// Finding is what one record means.
type Finding struct {
	Kind    Kind
	Rule    Rule // zero for Rehearsed and TornDown, which have no Sigma rule
	Record  cloudtrail.Record
	Deleted []string             // requested minus refused
	Failed  []cloudtrail.Refusal // refused, each with AWS's error; if AWS refused the call, every ID with the call's error
}

// Actor returns the record's identity as alerts have it.
func (f Finding) Actor() alert.Actor {
	id := f.Record.Identity
	return alert.Actor{
		Account: foreign(f.Record), Type: id.Type, ARN: id.ARN, SessionIssuer: id.SessionIssuer, AccessKeyID: id.AccessKeyID,
		UserName: id.UserName, OnBehalfOf: id.OnBehalfOf, IdentityStore: id.IdentityStore, PrincipalID: id.PrincipalID, InvokedBy: id.InvokedBy,
		SourceIdentity: id.SourceIdentity, WebIdentity: id.WebIdentity,
		MFA: id.MFA, SourceIP: f.Record.SourceIP, UserAgent: f.Record.UserAgent, Via: via(f.Record),
	}
}

// foreign returns the caller's account if it is not the record's, or if the identity has no
// ARN.
func foreign(r cloudtrail.Record) string {
	if id := r.Identity; id.AccountID != r.Account || id.ARN == "" {
		return id.AccountID
	}
	return ""
}

// via returns how the call was made: by the AWS service that made it for somebody, the console, or
// the tool that its user agent names, which anybody can set; empty: not known.
func via(r cloudtrail.Record) string {
	for _, s := range []string{r.Identity.InvokedBy, r.SourceIP} {
		if strings.HasSuffix(s, ".amazonaws.com") {
			return s
		}
	}
	agent := r.UserAgent
	switch {
	case r.Identity.Console:
		return "console"
	case strings.HasSuffix(agent, ".amazonaws.com") && !strings.HasPrefix(agent, "console."):
		return agent
	}
	for _, t := range tools {
		if strings.Contains(agent, t.mark) {
			return t.name
		}
	}
	return ""
}

// tools by a part of their user agents, the most specific first: Terraform's user agent also
// has that of its SDK.
var tools = []struct{ mark, name string }{
	{"console.", "console"}, {"Mozilla/", "console"}, {"AWS Internal", "console"},
	{"Terraform", "Terraform"}, {"OpenTofu", "OpenTofu"}, {"Pulumi", "Pulumi"}, {"Crossplane", "Crossplane"}, {"Ansible", "Ansible"},
	{"aws-cli/", "CLI"}, {"AWSPowerShell", "CLI"},
	{"Boto3/", "SDK for Python"}, {"Botocore/", "SDK for Python"}, {"aws-sdk-go", "SDK for Go"}, {"aws-sdk-java", "SDK for Java"},
	{"aws-sdk-js", "SDK for JavaScript"}, {"aws-sdk-nodejs", "SDK for JavaScript"}, {"aws-sdk-rust", "SDK for Rust"},
	{"aws-sdk-dotnet", "SDK for .NET"}, {"aws-sdk-ruby", "SDK for Ruby"}, {"aws-sdk-php", "SDK for PHP"}, {"aws-sdk-cpp", "SDK for C++"},
}
