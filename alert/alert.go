package alert

import (
	"encoding/json"
	"slices"
	"time"
)

// Level is how severe an alert is, as Sigma has it.
type Level string

const (
	Informational Level = "informational"
	Low           Level = "low"
	Medium        Level = "medium"
	High          Level = "high"
	Critical      Level = "critical"
)

// levels are all of them, from the least to the most urgent.
var levels = []Level{Informational, Low, Medium, High, Critical}

func (l Level) rank() int { return slices.Index(levels, l) }

// AtLeast reports whether l is as urgent as min. An unknown level never is,
// an empty min always lets pass.
func (l Level) AtLeast(min Level) bool { return l.rank() >= min.rank() }

// Highest is the more urgent of two levels.
func Highest(a, b Level) Level {
	if a.AtLeast(b) {
		return a
	}
	return b
}

// RaisedBy is the level one step up, if there is any fact; critical stays.
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
	Attempt     Kind = "attempt"     // AWS refused to delete some
	Restored    Kind = "restored"    // they are back
	Blocked     Kind = "blocked"     // they can't be restored, or are overdue
	Closed      Kind = "closed"      // nothing is left to do about a deletion
	Flapping    Kind = "flapping"    // one is deleted again and again
	Decoy       Kind = "decoy"       // another flow log is in the way of a restore
	Tamper      Kind = "tamper"      // what flow logs depend on was changed
	Pipeline    Kind = "pipeline"    // a part of Flowkeeper, or of AWS, fails; or works again
	Destination Kind = "destination" // a flow log delivers to where none did before
	Test        Kind = "test"        // somebody typed `flowkeeper alerts test`
)

// Rule is the detection behind an alert; its words come from the Sigma file.
type Rule struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Actor is who did it, as CloudTrail says. MFA is nil where the record does
// not tell. ARN and SessionIssuer are AWS's own names, and the only ones by
// which rules may know anybody: others are whatever an identity provider, or
// whoever took the role, chose to say.
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

	// SourceIdentity is what whoever took the role was called then, through every
	// further role; WebIdentity the identity provider, and what it said of them.
	SourceIdentity string `json:"source_identity,omitempty"`
	WebIdentity    string `json:"web_identity,omitempty"`

	MFA       *bool  `json:"mfa,omitempty"`
	SourceIP  string `json:"source_ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Account   string `json:"account,omitempty"` // where it is not the alert's
	Via       string `json:"via,omitempty"`     // console, CLI, an SDK's name, Terraform, or the AWS service that did it
}

// RecentCalls is what a principal did to flow logs by one API call within the hour
// before an event.
type RecentCalls struct {
	EventName string `json:"event_name"` // DeleteFlowLogs
	Calls     int    `json:"calls"`
	Refused   int    `json:"refused,omitempty"`   // of Calls
	FlowLogs  int    `json:"flow_logs,omitempty"` // named by those that AWS did not refuse
}

// FlowLog is what an alert says of one flow log.
type FlowLog struct {
	FlowLogID        string            `json:"flow_log_id"`
	Account          string            `json:"account,omitempty"` // where it is not the alert's
	Region           string            `json:"region,omitempty"`
	RootFlowLogID    string            `json:"root_flow_log_id,omitempty"`
	ResourceID       string            `json:"resource_id,omitempty"`
	State            string            `json:"state,omitempty"`  // of its incident
	Reason           string            `json:"reason,omitempty"` // of that state
	Advice           string            `json:"advice,omitempty"`
	Destination      string            `json:"destination,omitempty"`
	LogFormat        string            `json:"log_format,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	NewFlowLogID     string            `json:"new_flow_log_id,omitempty"`
	BlindSeconds     *float64          `json:"blind_seconds,omitempty"`
	ErrorCode        string            `json:"error_code,omitempty"`
	ErrorMessage     string            `json:"error_message,omitempty"`
	Attempts         int               `json:"attempts,omitempty"`        // to restore it, without success; where it is not back
	NextAttemptAt    *Time             `json:"next_attempt_at,omitempty"` // when Flowkeeper tries next: of one that waits, or is not back
	DifferencesFound []string          `json:"differences,omitempty"`     // of a decoy
	CreatedBy        string            `json:"created_by,omitempty"`      // of a new destination

	// Foreseen is why it will not be restored, as a reason of its incident, where
	// that is known before AWS was asked.
	Foreseen string `json:"foreseen,omitempty"`
}

// Alert is the public contract: webhook bodies, `alerts list --json` and SNS
// messages are this object. Absent means unknown.
type Alert struct {
	ID             string        `json:"id"`
	DedupKey       string        `json:"dedup_key"`               // one per event: a pager opens and resolves by it
	CampaignID     string        `json:"campaign_id,omitempty"`   // one per attack: deletions by one principal that follow each other
	CampaignOpen   bool          `json:"campaign_open,omitempty"` // of closed: other deletions of the campaign are not settled yet
	Time           Time          `json:"time"`
	Kind           Kind          `json:"kind"`
	Level          Level         `json:"level"`
	RaisedBy       []string      `json:"raised_by,omitempty"` // the facts that raised Level above the rule's
	Rule           *Rule         `json:"rule,omitempty"`
	Title          string        `json:"title"`
	Text           string        `json:"text,omitempty"`
	Cause          string        `json:"cause,omitempty"`  // what happened, where no flow log tells it (tamper, pipeline, destination); why nothing is tried (blocked)
	Advice         string        `json:"advice,omitempty"` // what to try
	Part           string        `json:"part,omitempty"`   // of the pipeline, where a pipeline alert names flow logs: delivery or rehearsal
	Account        string        `json:"account,omitempty"`
	Region         string        `json:"region,omitempty"`
	EventID        string        `json:"event_id,omitempty"`
	Source         string        `json:"source,omitempty"`     // event or drift
	EventTime      *Time         `json:"event_time,omitempty"` // when it happened, where nothing was deleted by it (attempt, tamper)
	DeletedAt      *Time         `json:"deleted_at,omitempty"`
	Actor          *Actor        `json:"actor,omitempty"`
	Recent         []RecentCalls `json:"recent,omitempty"` // what the same principal did to flow logs in the hour before
	Target         string        `json:"target,omitempty"` // what was tampered with: its ARN, or its name
	FlowLogs       []FlowLog     `json:"flow_logs,omitempty"`
	FailedFlowLogs []FlowLog     `json:"failed_flow_logs,omitempty"`
	Omitted        int           `json:"flow_logs_omitted,omitempty"` // left out because a sink takes no more
	// For how many flow logs the log format, the tags, and the other details were left
	// out, to keep the alert small.
	FormatsOmitted int `json:"log_formats_omitted,omitempty"`
	TagsOmitted    int `json:"tags_omitted,omitempty"`
	DetailsOmitted int `json:"details_omitted,omitempty"`
	// FailedOmitted is how many more IDs the call named that AWS refused.
	FailedOmitted int `json:"failed_flow_logs_omitted,omitempty"`
	// Repeats: the alert sums up calls like an earlier one.
	Repeats *Repeats `json:"repeats,omitempty"`

	// RouteLevel is what an alert that answers an earlier one is routed by: the
	// most urgent level of those before it. See RoutingLevel.
	RouteLevel Level `json:"-"`

	// Minor says that the alert is about what anybody can repeat without end, and
	// not about a loss that Flowkeeper knows of: the state file may drop it to keep
	// its bound.
	Minor bool `json:"-"`

	// NotStored says that the alert is sent without the state file, which can't be
	// written: nothing is restored until it can.
	NotStored bool `json:"-"`
}

// PartDelivery, PartTags and PartRehearsal say in a pipeline alert that names flow logs what
// does not work: AWS can't deliver what they record; AWS refuses tags that a restored one is
// to have; AWS would refuse their restores.
const (
	PartDelivery  = "delivery"
	PartTags      = "tags"
	PartRehearsal = "rehearsal"
)

// NotBack reports whether the alert is about flow logs that are gone and not back.
func (a Alert) NotBack() bool { return a.Kind == Blocked || a.Kind == Decoy || a.Kind == Flapping }

// Answers reports whether the alert tells how an earlier one of the same
// DedupKey has ended: a sink gets it after that one.
func (a Alert) Answers() bool { return a.Kind == Restored || a.Resolves() }

// Resolves reports whether nothing is left to do about DedupKey: a pager
// closes what it opened by it.
func (a Alert) Resolves() bool {
	return a.Kind == Closed || a.Kind == Pipeline && a.Level == Informational && a.EventID == ""
}

// EndsCampaign reports whether nothing is left to do about any deletion of
// CampaignID: a pager closes what it opened by it.
func (a Alert) EndsCampaign() bool {
	return a.Kind == Closed && a.CampaignID != "" && !a.CampaignOpen
}

// Time is an instant that JSON shows as RFC 3339 in UTC with milliseconds.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// At is the instant t; nil for the zero time, which nobody knows.
func At(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

func (t Time) String() string { return t.UTC().Format(timeLayout) }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }
