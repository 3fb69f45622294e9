package fakeawstest

import (
	"maps"

	"flowkeeper/internal/fakeaws"
)

// FlowLogs returns the flow logs that exist, oldest first; a Describe may show older ones.
func (w *World) FlowLogs(account, region string) (all []fakeaws.FlowLog) {
	w.In(account, region, func(s *fakeaws.Scope) {
		for f := range s.FlowLogs() {
			c := *f
			c.Tags = maps.Clone(f.Tags)
			all = append(all, c)
		}
	})
	return all
}

// Plant makes a flow log as if it had been there before: no call, no record. The account has
// the service-linked roles that the flow log needs.
func (w *World) Plant(account, region string, f fakeaws.FlowLog) (id string) {
	w.ec2.mu.Lock()
	w.ec2.link(account, f.LogDestinationType == "kinesis-data-firehose", len(f.TagFields) > 0)
	w.ec2.mu.Unlock()
	if f.CreatedAt.IsZero() {
		f.CreatedAt = w.now()
	}
	w.In(account, region, func(s *fakeaws.Scope) {
		s.Resources[f.ResourceID] = true
		id = s.Add(f)
	})
	return id
}

// Remove deletes a flow log with no call and no record. It reports whether
// it was there.
func (w *World) Remove(account, region, id string) (there bool) {
	w.In(account, region, func(s *fakeaws.Scope) { there = s.Remove(id) })
	return there
}

// Change changes a flow log that is there, with no call and no record. It replaces
// maps and slices, and leaves the ID, the resource and the time as they are.
func (w *World) Change(account, region, id string, change func(*fakeaws.FlowLog)) {
	w.In(account, region, func(s *fakeaws.Scope) {
		for f := range s.FlowLogs() {
			if f.ID == id {
				change(f)
			}
		}
	})
}

// FailDelivery sets the status that delivery of a flow log fails; with an empty message,
// that it works.
func (w *World) FailDelivery(account, region, id, message string) {
	w.Change(account, region, id, func(f *fakeaws.FlowLog) {
		f.DeliverStatus, f.DeliverError = "FAILED", message
		if message == "" {
			f.DeliverStatus = "SUCCESS"
		}
	})
}

// RemoveResource deletes a resource. AWS then removes its flow logs itself,
// with no DeleteFlowLogs call.
func (w *World) RemoveResource(account, region, id string) {
	w.In(account, region, func(s *fakeaws.Scope) {
		delete(s.Resources, id)
		var its []string
		for f := range s.FlowLogs() {
			if f.ResourceID == id {
				its = append(its, f.ID)
			}
		}
		for _, id := range its {
			s.Remove(id)
		}
	})
}

// TagResource sets a tag of a resource that flow logs can watch; an empty value removes it.
func (w *World) TagResource(account, region, id, key, value string) {
	w.In(account, region, func(s *fakeaws.Scope) {
		if s.Tags[id] == nil {
			s.Tags[id] = map[string]string{}
		}
		if s.Tags[id][key] = value; value == "" {
			delete(s.Tags[id], key)
		}
	})
}

// UseToken marks a ClientToken as used by another principal of the account, for a call with
// other parameters; there is no call and no record. It does nothing if the token was used
// already, or is empty. A function that Meet has set may use the token of a call before that
// call.
func (w *World) UseToken(account, region, clientToken string) {
	w.In(account, region, func(s *fakeaws.Scope) {
		if _, used := s.Tokens[clientToken]; !used && clientToken != "" {
			s.Tokens[clientToken] = fakeaws.Token{}
		}
	})
}
