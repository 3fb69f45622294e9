package fakeaws

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// EC2 has the flow logs of all accounts and Regions, and what they depend on.
type EC2 struct {
	now    func() time.Time
	serial *atomic.Uint64 // the number of the flow log, user or call that was made last
	iam    *IAM
	trail  *Trail
	hooks  Hooks // set before the first call

	mu       sync.Mutex // guards what follows
	settings EC2Settings
	scopes   map[string]*Scope // by account/region
	exists   map[string]bool   // destinations and delivery roles, by ARN
}

// EC2Settings are how this EC2 behaves.
type EC2Settings struct {
	PageSize int           // the longest page of a Describe; 0: as AWS allows
	Delay    time.Duration // of eventual consistency: a Describe shows the state of that long ago, an hour at most

	// AWS was seen to behave in both ways, or it is not known how it behaves:
	MixedIDs    bool // FlowLogIds of several resources come in another order than the resources
	FirstAnswer bool // a repeated ClientToken that made something gets its first answer again, with its failures; false: what failed is tried again
}

// Configure changes the settings.
func (e *EC2) Configure(change func(*EC2Settings)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.settings)
}

// AddResource makes a resource that flow logs can watch; its ID's prefix says
// what it is.
func (e *EC2) AddResource(account, region, id string) {
	e.In(account, region, func(s *Scope) { s.Resources[id] = true })
}

// SetDeliveryTarget makes or removes what a create checks: a log group, bucket or delivery
// stream to deliver to, or a role that delivery can assume.
func (e *EC2) SetDeliveryTarget(arn string, exists bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.exists[strings.TrimSuffix(arn, ":*")] = exists
}

// FlowLog is the true state of one flow log.
type FlowLog struct {
	ID                       string            `xml:"flowLogId"`
	ResourceID               string            `xml:"resourceId"`
	TrafficType              string            `xml:"trafficType,omitempty"`
	LogDestinationType       string            `xml:"logDestinationType,omitempty"`
	LogDestination           string            `xml:"logDestination,omitempty"`
	LogGroupName             string            `xml:"logGroupName,omitempty"`
	DeliverLogsPermissionARN string            `xml:"deliverLogsPermissionArn,omitempty"`
	DeliverCrossAccountRole  string            `xml:"deliverCrossAccountRole,omitempty"`
	LogFormat                string            `xml:"logFormat,omitempty"`
	MaxAggregationInterval   int               `xml:"maxAggregationInterval,omitempty"`
	FileFormat               string            `xml:"-"`
	HiveCompatiblePartitions bool              `xml:"-"`
	PerHourPartition         bool              `xml:"-"`
	TagFields                []TagField        `xml:"-"`
	Tags                     map[string]string `xml:"-"`
	CreatedAt                time.Time         `xml:"-"`
	DeliverStatus            string            `xml:"deliverLogsStatus,omitempty"`
	DeliverError             string            `xml:"deliverLogsErrorMessage,omitempty"`
}

// TagField is one TagFieldSpecification.
type TagField struct {
	ResourceType string   `xml:"resourceType"`
	Keys         []string `xml:"tagKeySet>item"`
}
