package fakeawstest

import (
	"cmp"
	"reflect"
	"time"

	"flowkeeper/internal/fakeaws"
)

// Guard is which flow logs of one resource can't stand side by side: AWS answers
// FlowLogAlreadyExists. What AWS compares is not known.
type Guard int

// Guards.
const (
	SameDestination   Guard = iota // those to one destination, as LocalStack has it
	SameConfiguration              // those that are equal but for tags
	NoGuard                        // none: even doubles are made
)

// refuses says whether a flow log can't be made while another one is on its resource.
func (g Guard) refuses(f, there fakeaws.FlowLog) bool {
	switch g {
	case SameDestination:
		return f.SameDestination(there)
	case SameConfiguration:
		return reflect.DeepEqual(configuration(f), configuration(there))
	case NoGuard:
	}
	return false
}

// configuration is the flow log with what its creator can set, but for tags, and with the
// defaults of what is not set.
func configuration(f fakeaws.FlowLog) fakeaws.FlowLog {
	f.ID, f.Tags, f.CreatedAt, f.DeliverStatus, f.DeliverError = "", nil, time.Time{}, "", ""
	f.LogDestinationType = cmp.Or(f.LogDestinationType, "cloud-watch-logs")
	f.LogFormat = cmp.Or(f.LogFormat, fakeaws.DefaultFormat)
	f.MaxAggregationInterval = cmp.Or(f.MaxAggregationInterval, 600)
	if f.LogDestinationType == "s3" {
		f.FileFormat = cmp.Or(f.FileFormat, "plain-text")
	}
	if len(f.TagFields) == 0 {
		f.TagFields = nil
	}
	return f
}
