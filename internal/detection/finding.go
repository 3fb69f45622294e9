package detection

import (
	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
)

// Kind of finding.
type Kind int

const (
	Deleted   Kind = iota + 1 // at least one flow log was deleted, or the record does not say which
	Attempted                 // DeleteFlowLogs, dry run or refused for every ID
	Created                   // CreateFlowLogs succeeded: the snapshot should know these
	Rehearsed                 // a Flowkeeper tried a restore as a dry run, whatever AWS said to it
	TornDown                  // a VPC was deleted: AWS removes its flow logs without a record
	Tampered                  // something was changed that flow logs may depend on
)

// RehearsalToken begins the ClientToken of every rehearsal.
const RehearsalToken = "flowkeeper-rehearsal-"

// Rule is what alerts say of a Sigma rule.
type Rule struct {
	ID    string
	Title string
	Level alert.Level
}

// Finding is what one record means.
type Finding struct {
	Kind    Kind
	Rule    Rule // zero where no Sigma rule is about it: Rehearsed, TornDown
	Record  cloudtrail.Record
	Deleted []string             // requested minus refused
	Failed  []cloudtrail.Refusal // refused, each with AWS's words; for a refused call every ID with the call's error
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
