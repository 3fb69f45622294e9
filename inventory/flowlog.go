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

// Settings are what makes one flow log unlike another: all that a create can
// set. A zero field means that AWS did not describe it.
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
	Live State = "live" // AWS showed it, and nothing has said since that it is gone
	Gone State = "gone" // shown absent; a listing never makes it live again (I5)
)

// Row is one flow log of the snapshot, live or gone. Its JSON is in the state file. JSON names that differ from those of
// the fields are of earlier versions: state files keep them.
type Row struct {
	FlowLog
	RootID        string // first of its lineage; its own ID where it replaces nothing
	State         State
	Protected     bool      // restored when deleted; a decoy is not
	ReleasedUntil time.Time // zero: it is not released
	ReleaseReason string
	ReleasedAt    time.Time // zero: it is not released
	CreatedBy     string    // principal of its CreateFlowLogs record, where one was seen; without an ARN, a name
	Excuses       string    // the lost flow log that it replaced for a wait rule: it excuses no other
	Excluded      bool      // outside inventory.destinations: never protected
	Held          bool      `json:",omitempty"` // its recipient is not known to be ours, and not approved: not protected
	Imported      bool      // from a file, not yet shown by a listing: acts only by hand
	// NewDestination: it delivers to where nothing did before, or is held, and there was no
	// alert of that yet. FailingAlerted: the last alert of its delivery says that it fails.
	NewDestination bool
	FailingAlerted bool `json:"ToldFailing"`
	// DecoyNotice: it counts as a decoy, and there was no alert of that yet. nil: it is no decoy, or
	// an alert has named it.
	DecoyNotice *DecoyNotice `json:",omitempty"`
	// OwnTags are the tags of a replacement that CreateTags sets, until AWS has shown them for
	// so long that no stale listing can be without them. nil: there are none.
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

// NoticePending reports whether there is something about the row that there was no alert
// of yet, and that is due at once.
func (r Row) NoticePending() bool {
	return r.NewDestination || r.isWatched() && r.Failing() != r.FailingAlerted
}

// OwesDeliveryEnd reports whether the outage of deliveries goes on because of the row: AWS shows the flow
// log, it is protected, and the last alert of its delivery says that it fails.
func (r Row) OwesDeliveryEnd() bool { return r.isWatched() && r.FailingAlerted }

func (r Row) isWatched() bool { return r.State == Live && r.Protected }

// ListedBy returns a live row with LastSeenAt moved to the scope's last complete refresh, which listed it without
// writing it.
//
// Decisions ask before whether the refresh had to list the row: incident.Case.Row. What people see of the
// snapshot does not, for that depends on the policy, which the state file does not have. So a row that became
// live within the policy's ConsistencyWindow before a refresh, and that AWS did not list, has too late a
// LastSeenAt there, by that window at most. The next refresh lists it, or finds it gone.
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

// Whole returns the row's settings with OwnTags: what a restore has to make. Where AWS would refuse
// so many tags, some of the others are left out: somebody has set them since.
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

// Rehearsable reports whether the row is restored by itself when it is deleted,
// so that a rehearsal tries it.
func (r Row) Rehearsable() bool { return r.isWatched() && !r.Imported }

// Released reports whether the row may go at t without being restored.
// CloudTrail's times are whole seconds, so the release begins with its second,
// so that a deletion in the same second is covered.
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

// partitions are AWS's partitions by how the names of their Regions begin.
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

// ParseARN takes an ARN apart, or a pattern of some. All parts are empty if the text is none.
func ParseARN(text string) arn.ARN {
	parts, _ := arn.Parse(text)
	return parts
}

// RoleOfSession returns the ARN of a role from that of a session of it. The role's path is missing, because a
// session's ARN does not have it. Any other text is returned as it is.
func RoleOfSession(text string) string {
	of := ParseARN(text)
	session, is := strings.CutPrefix(of.Resource, "assumed-role/")
	if !is || of.Service != "sts" {
		return text
	}
	role, _, _ := strings.Cut(session, "/")
	return arn.ARN{Partition: of.Partition, Service: "iam", AccountID: of.AccountID, Resource: "role/" + role}.String()
}
