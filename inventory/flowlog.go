package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Scope is one AWS account in one Region. Everything stored or done is keyed
// by it.
type Scope struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

func (s Scope) String() string { return s.Account + "/" + s.Region }

// Settings are all settings of a flow log that a create can set. A zero field
// means that AWS did not describe it.
type Settings struct {
	ResourceID               string                  `json:"resource_id"`
	TrafficType              string                  `json:"traffic_type,omitempty"`
	LogDestinationType       string                  `json:"log_destination_type,omitempty"`
	LogDestination           string                  `json:"log_destination,omitempty"`
	LogGroupName             string                  `json:"log_group_name,omitempty"`
	DeliverLogsPermissionARN string                  `json:"deliver_logs_permission_arn,omitempty"`
	DeliverCrossAccountRole  string                  `json:"deliver_cross_account_role,omitempty"`
	LogFormat                string                  `json:"log_format,omitempty"`
	MaxAggregationInterval   int32                   `json:"max_aggregation_interval,omitempty"` // seconds
	DestinationOptions       *DestinationOptions     `json:"destination_options,omitempty"`
	TagFieldSpecifications   []TagFieldSpecification `json:"tag_field_specifications,omitempty"`
	Tags                     map[string]string       `json:"tags,omitempty"`
}

// DestinationOptions apply to S3 destinations only. Describe fills in the defaults of options
// that were not set.
type DestinationOptions struct {
	FileFormat               string `json:"file_format,omitempty"`
	HiveCompatiblePartitions bool   `json:"hive_compatible_partitions"`
	PerHourPartition         bool   `json:"per_hour_partition"`
}

// TagFieldSpecification names tag keys whose values a flow log writes into
// its records (ResourceType is AWS's name for where the tags come from).
type TagFieldSpecification struct {
	ResourceType string   `json:"resource_type,omitempty"`
	TagKeys      []string `json:"tag_keys,omitempty"`
}

// FlowLog is one flow log as AWS describes it.
type FlowLog struct {
	ID    string
	Scope Scope
	Settings
	Status                  string // ACTIVE, or empty
	DeliverLogsStatus       string // SUCCESS, FAILED, or empty until AWS knows
	DeliverLogsErrorMessage string
	CreatedAt               time.Time
}

// State of a row of the snapshot.
type State string

const (
	Live State = "live" // AWS showed it, and nothing has shown since that it is gone
	Gone State = "gone" // AWS showed that it is absent; a listing never makes it live again (I5)
)

// Row is one flow log of the snapshot, live or gone. Its JSON is in the state file. JSON names that differ from those of
// the fields are of earlier versions: state files keep them.
type Row struct {
	FlowLog
	RootID        string // the first flow log of its lineage; its own ID if it replaces nothing
	State         State
	Protected     bool      // restored when deleted; a decoy is not
	ReleasedUntil time.Time // zero: it is not released
	ReleaseReason string
	ReleasedAt    time.Time // zero: it is not released
	CreatedBy     string    // principal of its CreateFlowLogs record; a name if the record has no ARN; empty: no record was received
	Excuses       string    // the lost flow log that it replaced for a wait rule: it excuses no other
	Excluded      bool      // outside inventory.destinations: never protected
	Held          bool      `json:",omitempty"` // its recipient is not known to be ours, and not approved: not protected
	Imported      bool      // from a file, not yet shown by a listing: acts only by hand
	// NewDestination: no flow log delivered to its destination before, or it is held, and no
	// alert has said so yet. FailingAlerted: the last alert of its delivery says that it fails.
	NewDestination bool
	FailingAlerted bool `json:"ToldFailing"`
	// DecoyNotice: it counts as a decoy, and no alert has said so yet. nil: it is no decoy, or an
	// alert has named it.
	DecoyNotice *DecoyNotice `json:",omitempty"`
	// OwnTags are the tags that CreateTags sets on a replacement. The row keeps them until AWS has
	// shown them for so long that no stale listing can lack them. nil: there are none.
	OwnTags     map[string]string `json:",omitempty"`
	FirstSeenAt time.Time
	// LineageSince is the FirstSeenAt of the root; zero: its own.
	LineageSince time.Time `json:",omitzero"`
	LastSeenAt   time.Time // start of the last complete refresh (live rows: the scope's)
	WrittenAt    time.Time // when this row last became live
	GoneAt       time.Time // when it was marked as gone; zero: it is live
}

// DecoyNotice is an alert that is still to come: that a flow log is not protected, because it counts as
// a decoy. It waits until Due: a record may say before then who made the flow log, or the flow log may
// become protected. Since is when it began to count as a decoy.
type DecoyNotice struct {
	Of          string   // the flow log in whose place it stands; empty: not known
	Differences []string // between the two
	Since, Due  time.Time
}

// KeptAsDecoy reports whether the row is not protected only because it counts as a decoy.
func (r Row) KeptAsDecoy() bool { return !r.Protected && !r.Excluded && !r.Held }

// LiveDecoy reports whether AWS shows the flow log, and it is kept as a decoy.
func (r Row) LiveDecoy() bool { return r.State == Live && !r.Imported && r.KeptAsDecoy() }

// OwesNews reports whether an alert about the row's destination or its delivery is due, at once. The alert that it is a
// decoy has a time of its own: see [DecoyNotice].
func (r Row) OwesNews() bool {
	return r.NewDestination || r.isLiveProtected() && r.Failing() != r.FailingAlerted
}

// OwesDeliveryEnd reports whether the outage of deliveries goes on because of the row: the flow log is live
// and protected, and the last alert of its delivery says that it fails.
func (r Row) OwesDeliveryEnd() bool { return r.isLiveProtected() && r.FailingAlerted }

func (r Row) isLiveProtected() bool { return r.State == Live && r.Protected }

// ListedBy returns a live row with LastSeenAt moved to the scope's last complete refresh, which listed it without
// writing it.
//
// For decisions, incident.Case.Row first checks that the refresh had to list the row. Commands that show the
// snapshot do not check this, because it depends on the policy, which the state file does not have. So if a row
// became live within the policy's ConsistencyWindow before a refresh that did not list it, they show a LastSeenAt
// that is too late, by that window at most. The next refresh lists the flow log, or finds it gone.
func (r Row) ListedBy(refresh time.Time) Row {
	if r.State == Live && refresh.After(r.LastSeenAt) {
		r.LastSeenAt = refresh
	}
	return r
}

// IsReplacement reports whether the flow log came back in the place of another one.
func (r Row) IsReplacement() bool { return r.RootID != r.ID }

// MostTags is how many tags AWS allows on one resource.
const MostTags = 50

// Whole returns the row's settings with OwnTags: what a restore must create. Tags that somebody has set
// in addition are left out as far as all together are more than MostTags.
func (r Row) Whole() Settings {
	s := r.Settings
	if len(r.OwnTags) == 0 {
		return s
	}
	s.Tags = maps.Clone(r.OwnTags)
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		if _, own := s.Tags[k]; !own && len(s.Tags) < MostTags {
			s.Tags[k] = r.Tags[k]
		}
	}
	return s
}

// Rehearsable reports whether Flowkeeper restores the row's flow log by itself when it is
// deleted, so that rehearsals include it.
func (r Row) Rehearsable() bool { return r.isLiveProtected() && !r.Imported }

// Released reports whether the flow log may be deleted at t without being restored.
// The release begins with its whole second, because CloudTrail's times are whole
// seconds: so a deletion in the same second is covered.
func (r Row) Released(t time.Time) bool {
	return !r.ReleasedUntil.IsZero() && !t.Before(r.ReleasedAt.Truncate(time.Second)) && t.Before(r.ReleasedUntil)
}

// Release lets the flow log be deleted, until a time, without a restore.
func (r *Row) Release(now, until time.Time, reason string) {
	r.ReleasedAt, r.ReleasedUntil, r.ReleaseReason = now, until, reason
}

// EndRelease protects the flow log again, and reports whether it was released.
func (r *Row) EndRelease() bool {
	was := !r.ReleasedUntil.IsZero()
	r.Release(time.Time{}, time.Time{}, "")
	return was
}

// Destination is where the flow log delivers, in one normalised form: an ARN
// without a trailing ":*", or the log group's ARN made from its name.
func (s Settings) Destination(scope Scope) string {
	if s.LogDestination != "" {
		return strings.TrimSuffix(s.LogDestination, ":*")
	}
	if s.LogGroupName == "" {
		return ""
	}
	return fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s", Partition(scope.Region), scope.Region, scope.Account, s.LogGroupName)
}

// partitions are AWS's partitions by the prefix of their Regions' names.
var partitions = map[string]string{
	"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b",
	"eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f", "eusc-": "aws-eusc",
}

// Partition of a Region, for an ARN made from a name.
func Partition(region string) string {
	for prefix, partition := range partitions {
		if strings.HasPrefix(region, prefix) {
			return partition
		}
	}
	return "aws"
}

// ParseARN splits an ARN, or a pattern of ARNs, into its parts. All parts are empty if the text is none.
func ParseARN(text string) arn.ARN {
	parts, _ := arn.Parse(text)
	return parts
}

// RoleOfSession returns the ARN of the role whose session an ARN names. The role's path is missing, because a
// session's ARN does not have it. Any other text is returned unchanged.
func RoleOfSession(text string) string {
	of := ParseARN(text)
	session, is := strings.CutPrefix(of.Resource, "assumed-role/")
	if !is || of.Service != "sts" {
		return text
	}
	role, _, _ := strings.Cut(session, "/")
	return arn.ARN{Partition: of.Partition, Service: "iam", AccountID: of.AccountID, Resource: "role/" + role}.String()
}
