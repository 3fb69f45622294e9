package fakeawstest

import (
	"cmp"
	"reflect"
	"time"

	"flowkeeper/internal/fakeaws"
)

// Guard is the rule by which AWS refuses a second flow log on one resource with
// FlowLogAlreadyExists. It is not known what AWS compares.
type Guard int

// Guards.
const (
	SameDestination   Guard = iota // it has the same destination, as in LocalStack
	SameConfiguration              // it is equal except for tags
	NoGuard                        // none is refused, even if it is equal
)

// refuses reports whether AWS refuses f while the flow log there is on its resource.
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

// configuration returns the flow log with only the settings of its creator, without tags. Settings
// that were not given have their defaults.
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
