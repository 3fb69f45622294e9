package cloudtrail

import "time"

// Record is what Flowkeeper needs of one CloudTrail record.
type Record struct {
	NoCall   NoCall    // what it is instead of a management call; empty: it is one
	Addendum *Addendum // it repeats an earlier record; nil: it is the first of its event

	EventID     string // of an addendum: the original's
	EventName   string // "DeleteFlowLogs"
	EventSource string // "ec2.amazonaws.com"
	EventTime   time.Time
	Account     string // recipientAccountId: with Region, the scope. Never userIdentity.accountId
	Region      string // awsRegion
	ErrorCode   string // with EC2's "Client." prefix, if it had one; empty: the call succeeded
	ErrorText   string
	Identity    Identity
	SourceIP    string
	UserAgent   string

	DryRun      bool      // the request said DryRun
	FlowLogIDs  []string  // DeleteFlowLogs: the IDs asked for, unique, in order
	Refused     []Refusal // answered 200, but these IDs not
	CreatedIDs  []string  // CreateFlowLogs: the new flow logs' IDs
	ResourceIDs []string  // CreateFlowLogs, DeleteVpc: the resources named
	ClientToken string    // CreateFlowLogs
	IDsUnknown  bool      // parameters or answer omitted, or of a shape that names no ID: a refresh must find them

	// Of calls that change what flow logs depend on (Tampers).
	Target string // what the call changes: a name, ARN, ID or URL, as the service has it; empty: not stated
	Bus    string // events: the event bus of the rule, where it is not the default one
	Detail string // how, if the parameters state it in few words: "to 1 day", a policy's name
	// RequestHash is a hash of the parameters: different calls on one Target have different ones.
	RequestHash string
	OmittedSize string // bytes of parameters that CloudTrail left out as too large; empty: it did not
}

// Refusal is one flow log that AWS would not delete.
type Refusal struct {
	FlowLogID string
	Code      string
	Message   string
}
