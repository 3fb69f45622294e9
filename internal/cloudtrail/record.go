package cloudtrail

import "time"

// Record is what Flowkeeper needs of one CloudTrail record.
type Record struct {
	NoCall   NoCall    // what it is instead of a management call; empty: it is a management call
	Addendum *Addendum // nil: it repeats no earlier record, and was not late

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
	Refused     []Refusal // IDs that AWS refused in an answer with status 200
	CreatedIDs  []string  // CreateFlowLogs: the new flow logs' IDs
	ClientToken string    // CreateFlowLogs
	VPC         string    // DeleteVpc: the ID of the VPC; empty: not stated
	IDsUnknown  bool      // parameters or answer omitted, or of a shape that names no ID: a refresh must find them

	// Of calls that change what flow logs depend on (Tampers).
	Target string // what the call changes: a name, ARN, ID or URL, as the service has it; empty: not stated
	Bus    string // calls of EventBridge: the event bus of the rule; empty: the default one, or not stated
	Detail string // how the call changes it, in few words: "to 1 day", a policy's name; may be empty
	// RequestHash is a hash of the parameters: different calls on one Target have different ones.
	RequestHash string
	OmittedSize string // bytes of parameters that CloudTrail left out as too large; empty: it did not
}

// Refusal is one flow log that AWS refused to delete.
type Refusal struct {
	FlowLogID string
	Code      string
	Message   string
}
