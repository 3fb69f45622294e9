package cloudtrail

import (
	"encoding/json"
	"strings"
)

// NoCall is the kind of a record that is no management call of an AWS API, and so has no effect
// here. Empty: the record is such a call, or it is too old to have a kind.
type NoCall string

// The kinds of such records (docs/aws.md, "Records that are no API call").
const (
	Insight         NoCall = "insight"          // an unusual rate of calls, which have records of their own
	DataEvent       NoCall = "data"             // what is done in a resource: objects, rows
	NetworkActivity NoCall = "network_activity" // a copy of a call that came through a VPC endpoint
	ServiceEvent    NoCall = "service_event"    // what an AWS service did by itself
	SignIn          NoCall = "sign_in"          // at the console
	OtherRecord     NoCall = "other"            // a category or type that is not known
)

// NoCalls are all kinds.
var NoCalls = []NoCall{Insight, DataEvent, NetworkActivity, ServiceEvent, SignIn, OtherRecord}

// Words returns what such a record is, and why it has no effect.
func (n NoCall) Words() (what, why string) {
	switch n {
	case Insight:
		return "a CloudTrail Insights event", "it reports an unusual rate of calls; each of these has a record of its own"
	case DataEvent:
		return "a data event", "flow logs, and what they depend on, are changed by management events only"
	case NetworkActivity:
		return "a network-activity event", "it is a copy of a call that came through a VPC endpoint; the call has a record of its own"
	case ServiceEvent:
		return "an event of an AWS service", "the service did this by itself; nobody called the API"
	case SignIn:
		return "a sign-in to the console", "it changes nothing; what is done after it has records of its own"
	}
	return "a record of a category or type that is not known", "only management events of the type AwsApiCall are acted on"
}

// noCall classifies by category, then by type. A field that is missing, as in old records, is
// ignored; managementEvent counts only without a category. Upper and lower case are the same,
// as in Sigma, because tools that forward records may change them.
func (w wire) noCall() NoCall {
	switch strings.ToLower(string(w.EventCategory)) {
	case "", "management":
	case "insight":
		return Insight
	case "data":
		return DataEvent
	case "networkactivity":
		return NetworkActivity
	default:
		return OtherRecord
	}
	switch strings.ToLower(string(w.EventType)) {
	case "", "awsapicall":
	case "awscloudtrailinsight":
		return Insight
	case "awsvpceevent":
		return NetworkActivity
	case "awsserviceevent":
		return ServiceEvent
	case "awsconsolesignin":
		return SignIn
	default:
		return OtherRecord
	}
	if w.EventCategory == "" && strings.EqualFold(string(w.ManagementEvent), "false") {
		return DataEvent
	}
	return ""
}

// Addendum describes a record that repeats an earlier one, corrected, or that CloudTrail delivered late.
type Addendum struct {
	EventID string // the addendum's own; Record.EventID is the original's
	Reason  string // UPDATED_DATA, DELIVERY_DELAY or SERVICE_OUTAGE
	Updated string // the fields that are corrected, as CloudTrail lists them
}

// readAddendum gives an addendum the ID of the event that it belongs to, so that there is one alert
// of an event. A record that was only late has no other ID than its own.
func (r *Record) readAddendum(raw json.RawMessage) {
	m := object(raw)
	if m == nil {
		return
	}
	a := Addendum{EventID: r.EventID, Reason: scalar(m["reason"]), Updated: list(m["updatedFields"])}
	if original := scalar(m["originalEventID"]); original != "" {
		r.EventID = original
	}
	r.Addendum = &a
}

// Repeats reports whether the record is an addendum of an earlier event, about which there may
// have been an alert.
func (r Record) Repeats() bool { return r.Addendum != nil && r.Addendum.EventID != r.EventID }

// omitted reports whether CloudTrail left out parameters or an answer because of its size, and
// returns that size.
func omitted(raw json.RawMessage) (size string, is bool) {
	m := object(raw)
	return scalar(m["originalSize"]), scalar(m["omitted"]) == "true"
}

// list returns a list as one text; in the record it is an array, or a text with commas.
func list(raw json.RawMessage) string {
	return headed("", unique(contents(raw)))
}
