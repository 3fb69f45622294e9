package alert

import (
	"encoding/json"
	"slices"
	"time"
)

// Level is the severity of an alert, in Sigma's terms.
type Level string

const (
	Informational Level = "informational"
	Low           Level = "low"
	Medium        Level = "medium"
	High          Level = "high"
	Critical      Level = "critical"
)

// levels are in order, from the least to the most urgent.
var levels = []Level{Informational, Low, Medium, High, Critical}

func (l Level) rank() int { return slices.Index(levels, l) }

// AtLeast reports whether l is min or more urgent. An empty min is below every level;
// an unknown level is below every known one.
func (l Level) AtLeast(min Level) bool { return l.rank() >= min.rank() }

// Highest is the more urgent of two levels.
func Highest(a, b Level) Level {
	if a.AtLeast(b) {
		return a
	}
	return b
}

// RaisedBy is the level, one step higher if there are any facts. Critical stays critical.
func (l Level) RaisedBy(facts []string) Level {
	if len(facts) == 0 {
		return l
	}
	return levels[min(l.rank()+1, len(levels)-1)]
}

// Kind is what an alert is about (docs/alerts.md).
type Kind string

const (
	Deletion    Kind = "deletion"    // protected flow logs are gone
	Attempt     Kind = "attempt"     // a call to delete flow logs deleted none
	Restored    Kind = "restored"    // they are back
	Blocked     Kind = "blocked"     // they can't be restored, or are overdue
	Closed      Kind = "closed"      // nothing is left to do about a deletion
	Flapping    Kind = "flapping"    // a flow log is deleted again and again
	Decoy       Kind = "decoy"       // another flow log prevents a restore
	Tamper      Kind = "tamper"      // something that flow logs or Flowkeeper depend on was changed
	Pipeline    Kind = "pipeline"    // a part of Flowkeeper, or of AWS, fails; or works again
	Destination Kind = "destination" // a flow log delivers to a destination that none had before
	Test        Kind = "test"        // somebody ran `flowkeeper alerts test`
)

// Rule is the detection that an alert is based on. Its ID and title are those of the Sigma file.
type Rule struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Actor is who made a call, as CloudTrail records it. MFA is nil if the record does not
// state it. Only ARN and SessionIssuer are names that AWS gives, so that rules match these
// alone: an identity provider, or the one who assumed a role, chooses the others.
type Actor struct {
	Type          string `json:"type,omitempty"`
	ARN           string `json:"arn,omitempty"`
	SessionIssuer string `json:"session_issuer,omitempty"`
	AccessKeyID   string `json:"access_key_id,omitempty"`
	UserName      string `json:"user_name,omitempty"`
	OnBehalfOf    string `json:"on_behalf_of,omitempty"`   // a user ID of IAM Identity Center
	IdentityStore string `json:"identity_store,omitempty"` // the ARN of the store in which that user is
	PrincipalID   string `json:"principal_id,omitempty"`
	InvokedBy     string `json:"invoked_by,omitempty"` // the AWS service that did it

	// SourceIdentity is the name that was set when the first role was assumed; it stays
	// through every further role. WebIdentity is the identity provider and its claims.
	SourceIdentity string `json:"source_identity,omitempty"`
	WebIdentity    string `json:"web_identity,omitempty"`

	MFA       *bool  `json:"mfa,omitempty"`
	SourceIP  string `json:"source_ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Account   string `json:"account,omitempty"` // if it is not the alert's
	// AccountName is the name of Account.
	AccountName string `json:"account_name,omitempty"`
	Via         string `json:"via,omitempty"` // console, CLI, an SDK's name, Terraform, or the AWS service that did it
}

// RecentCalls counts a principal's calls of one API operation on flow logs within the hour
// before an event.
type RecentCalls struct {
	EventName string `json:"event_name"` // DeleteFlowLogs
	Calls     int    `json:"calls"`
	Refused   int    `json:"refused,omitempty"`   // of Calls
	FlowLogs  int    `json:"flow_logs,omitempty"` // named by those that AWS did not refuse
}

// FlowLog is what an alert says about one flow log.
type FlowLog struct {
	FlowLogID        string            `json:"flow_log_id"`
	Account          string            `json:"account,omitempty"`      // if it is not the alert's
	AccountName      string            `json:"account_name,omitempty"` // of Account
	Region           string            `json:"region,omitempty"`
	RootFlowLogID    string            `json:"root_flow_log_id,omitempty"`
	ResourceID       string            `json:"resource_id,omitempty"`
	ResourceName     string            `json:"resource_name,omitempty"` // its tag Name
	State            string            `json:"state,omitempty"`         // of its incident
	Reason           string            `json:"reason,omitempty"`        // of that state
	Advice           string            `json:"advice,omitempty"`
	Destination      string            `json:"destination,omitempty"`
	LogFormat        string            `json:"log_format,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	NewFlowLogID     string            `json:"new_flow_log_id,omitempty"`
	BlindSeconds     *float64          `json:"blind_seconds,omitempty"`
	ErrorCode        string            `json:"error_code,omitempty"`
	ErrorMessage     string            `json:"error_message,omitempty"`
	Attempts         int               `json:"attempts,omitempty"`        // to restore it, without success; if it is not back
	NextAttemptAt    *Time             `json:"next_attempt_at,omitempty"` // when Flowkeeper tries next: if it waits, or is not back
	DifferencesFound []string          `json:"differences,omitempty"`     // of a decoy
	CreatedBy        string            `json:"created_by,omitempty"`      // of a new destination

	// Foreseen is why it will not be restored, if that is known before AWS was asked: one of
	// the reasons of an incident.
	Foreseen string `json:"foreseen,omitempty"`
}

// Alert is the public contract: webhook bodies, `alerts list --json` and SNS
// messages are this object. Absent means unknown.
type Alert struct {
	ID             string        `json:"id"`
	DedupKey       string        `json:"dedup_key"`               // one per event: a pager opens and resolves by it
	CampaignID     string        `json:"campaign_id,omitempty"`   // one per attack: deletions by one principal that follow each other
	CampaignOpen   bool          `json:"campaign_open,omitempty"` // of closed: other deletions of the campaign are not closed yet
	Time           Time          `json:"time"`
	Kind           Kind          `json:"kind"`
	Level          Level         `json:"level"`
	RaisedBy       []string      `json:"raised_by,omitempty"` // the facts that raised Level above the rule's
	Rule           *Rule         `json:"rule,omitempty"`
	Title          string        `json:"title"`
	Text           string        `json:"text,omitempty"`
	Cause          string        `json:"cause,omitempty"`  // what happened, if the flow logs do not show it (tamper, pipeline, destination); why nothing is tried (blocked)
	Advice         string        `json:"advice,omitempty"` // what to do
	Part           Part          `json:"part,omitempty"`   // that does not work, if a pipeline alert names flow logs: PartDelivery, PartTags or PartRehearsal
	Account        string        `json:"account,omitempty"`
	AccountName    string        `json:"account_name,omitempty"` // as the configuration or the organisation has it
	Region         string        `json:"region,omitempty"`
	EventID        string        `json:"event_id,omitempty"`
	Source         string        `json:"source,omitempty"`       // event or drift
	LateRecords    bool          `json:"late_records,omitempty"` // of a drift: who did it may be known minutes later, by a log file
	EventTime      *Time         `json:"event_time,omitempty"`   // when it happened, if it deleted nothing (attempt, tamper)
	DeletedAt      *Time         `json:"deleted_at,omitempty"`
	Actor          *Actor        `json:"actor,omitempty"`
	Recent         []RecentCalls `json:"recent,omitempty"` // what the same principal did to flow logs in the hour before
	Target         string        `json:"target,omitempty"` // what was changed by tampering: its ARN or name; the sink that does not take alerts
	FlowLogs       []FlowLog     `json:"flow_logs,omitempty"`
	FailedFlowLogs []FlowLog     `json:"failed_flow_logs,omitempty"`
	Omitted        int           `json:"flow_logs_omitted,omitempty"` // flow logs that were left out because a sink takes no more
	// The next three count the flow logs of which the log format, the tags, or the other
	// details were left out, to keep the alert small.
	FormatsOmitted int `json:"log_formats_omitted,omitempty"`
	TagsOmitted    int `json:"tags_omitted,omitempty"`
	DetailsOmitted int `json:"details_omitted,omitempty"`
	// FailedOmitted is how many more IDs the call named that AWS refused.
	FailedOmitted int `json:"failed_flow_logs_omitted,omitempty"`
	// Repeats is set if the alert sums up calls that repeat an earlier one.
	Repeats *Repeats `json:"repeats,omitempty"`

	// RouteLevel is the level by which an alert that answers earlier ones is routed: the
	// most urgent level of those. See RoutingLevel.
	RouteLevel Level `json:"-"`

	// Minor says that anybody can cause such alerts without end, and that this one is not
	// about the loss of a known flow log: the store may drop it to limit its size.
	Minor bool `json:"-"`

	// NotStored says that the alert is sent directly, because the state file can't be
	// written: nothing is restored until it can.
	NotStored bool `json:"-"`
}

// NotBack reports whether the alert is about flow logs that are gone and not back.
func (a Alert) NotBack() bool { return a.Kind == Blocked || a.Kind == Decoy || a.Kind == Flapping }

// Answers reports whether the alert says what became of an earlier one with the same
// DedupKey: a sink gets it after that one.
func (a Alert) Answers() bool { return a.Kind == Restored || a.Resolves() }

// Resolves reports whether nothing is left to do about DedupKey, so that a pager resolves
// the incident that it opened by that key.
func (a Alert) Resolves() bool {
	return a.Kind == Closed || a.Kind == Pipeline && a.Level == Informational && a.EventID == ""
}

// EndsCampaign reports whether nothing is left to do about any deletion of CampaignID, so
// that a pager resolves the incident that it opened by that key.
func (a Alert) EndsCampaign() bool {
	return a.Kind == Closed && a.CampaignID != "" && !a.CampaignOpen
}

// Time is an instant that JSON shows as RFC 3339 in UTC with milliseconds.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// At is the instant t; nil for the zero time, which means unknown.
func At(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// String returns the text. A time of a year that RFC 3339 can't write, which only a forged copy of the state file has, is
// the zero time in it: otherwise the alert could not be read any more.
func (t Time) String() string {
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return time.Time{}.Format(timeLayout)
	}
	return t.UTC().Format(timeLayout)
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }
