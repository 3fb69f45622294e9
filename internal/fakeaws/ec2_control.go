package fakeaws

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// SetPageSize makes a page of a Describe no longer than this; 0: as AWS
// allows.
func (w *World) SetPageSize(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pageSize = n
}

// SetConsistencyDelay makes every Describe show the flow logs as they were so
// long ago, an hour at most: AWS is eventually consistent.
func (w *World) SetConsistencyDelay(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// AllowDuplicates switches FlowLogAlreadyExists off.
func (w *World) AllowDuplicates(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.duplicates = on
}

// AddResource makes a resource that flow logs can watch; its ID's prefix says
// what it is.
func (w *World) AddResource(account, region, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scope(account, region).resources[id] = true
}

// RemoveResource deletes a resource. AWS then removes its flow logs itself,
// with no DeleteFlowLogs call.
func (w *World) RemoveResource(account, region, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.scope(account, region)
	delete(s.resources, id)
	for _, f := range slices.Clone(s.byResource[id]) {
		s.remove(f, w.now())
	}
}

// AddDestination makes a log group, bucket or delivery stream to deliver to.
func (w *World) AddDestination(arn string) { w.set(arn, true) }

// RemoveDestination deletes it.
func (w *World) RemoveDestination(arn string) { w.set(arn, false) }

// AddDeliveryRole makes a role that delivery can assume.
func (w *World) AddDeliveryRole(arn string) { w.set(arn, true) }

func (w *World) set(arn string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exists[strings.TrimSuffix(arn, ":*")] = there
}

// FlowLog is one flow log of the world, as it truly is.
type FlowLog struct {
	ID, ResourceID, TrafficType, LogDestinationType, LogDestination, LogGroupName string
	DeliverLogsPermissionARN, DeliverCrossAccountRole, LogFormat                  string
	MaxAggregationInterval                                                        int
	FileFormat                                                                    string
	HiveCompatiblePartitions, PerHourPartition                                    bool
	TagFields                                                                     []TagField
	Tags                                                                          map[string]string
	CreatedAt                                                                     time.Time
	DeliverStatus, DeliverError                                                   string
}

// TagField is one TagFieldSpecification.
type TagField struct {
	ResourceType string
	Keys         []string
}

// FlowLogs is the truth, whatever stale reads show: the flow logs that exist,
// oldest first.
func (w *World) FlowLogs(account, region string) []FlowLog {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []FlowLog
	for _, f := range w.scope(account, region).order {
		c := f.FlowLog
		c.Tags = maps.Clone(f.Tags)
		out = append(out, c)
	}
	return out
}

// Plant makes a flow log as if it had been there before: no call, no record.
func (w *World) Plant(account, region string, f FlowLog) (id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.scope(account, region)
	s.resources[f.ResourceID] = true
	if f.ID == "" {
		f.ID = w.newFlowLogID()
	}
	if f.CreatedAt.IsZero() {
		f.CreatedAt = w.now()
	}
	s.add(&flowLog{FlowLog: f})
	w.linkRoles(account, f)
	return f.ID
}

// Remove deletes a flow log with no call and no record. It reports whether
// it was there.
func (w *World) Remove(account, region, id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.scope(account, region)
	f := s.byID[id]
	if f != nil {
		s.remove(f, w.now())
	}
	return f != nil
}

// FailDelivery makes AWS say that a flow log's delivery fails.
func (w *World) FailDelivery(account, region, id, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.scope(account, region).byID[id]; f != nil {
		f.DeliverStatus, f.DeliverError = "FAILED", message
		if message == "" {
			f.DeliverStatus = "SUCCESS"
		}
	}
}

func (w *World) scope(account, region string) *ec2Scope {
	key := account + "/" + region
	s := w.scopes[key]
	if s == nil {
		s = &ec2Scope{account: account, region: region, resources: map[string]bool{}, byID: map[string]*flowLog{},
			byResource: map[string][]*flowLog{}, tokens: map[string]token{}}
		w.scopes[key] = s
	}
	return s
}

func (w *World) newFlowLogID() string {
	w.lastID++
	return fmt.Sprintf("fl-%017x", w.lastID)
}
