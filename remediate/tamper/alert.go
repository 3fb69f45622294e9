package tamper

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// Harmful reports whether a call that a rule is about does any harm, as far as
// its record tells.
func Harmful(r cloudtrail.Record) bool {
	otherTags := r.Detail != "" && !strings.Contains(r.Detail, cloudtrail.DeliveryTag)
	return r.EventName != "UntagDeliveryStream" || !otherTags
}

// alertOf is the alert about a call with an impact.
func alertOf(f detection.Finding, i Impact, p incident.Policy, now time.Time) alert.Alert {
	actor, target := f.Actor(), TargetOf(f.Record)
	a := notify.FindingAlert(f, alert.Tamper, now)
	a.ID = alertID(f)
	a.Target, a.FlowLogs, a.Omitted = target, slices.Clone(i.FlowLogs), i.Omitted
	a.Cause = fmt.Sprintf("%s of %s%s, %s", f.Record.EventName, delivery.KeyOf(target).Name(), detailOf(f.Record), strings.Join(i.Uses, " and "))
	a.Advice = advice(f.Record)
	if target == "" {
		a.Cause, a.Advice = unstatedWords(f.Record, i)
	}
	byDelivery := f.Record.EventName == "PutBucketPolicy" && f.Record.Identity.InvokedBy == deliveryService
	switch {
	case p.RuleFor(f.Record.Account, actor.Principal()).Action == incident.Ignore, byDelivery:
		a.Level = alert.Informational
	case target == "": // it keeps its rule's level: nobody knows whether the resource is one of ours
	case destroys[f.Record.EventName] && len(i.FlowLogs) > 0:
		a.Level, a.RaisedBy = alert.Critical, []string{alert.DestinationGone}
	default:
		a.RaisedBy = notify.ActorFacts(p, f.Record.Account, &actor)
		a.Level = a.Level.RaisedBy(a.RaisedBy)
	}
	for n := range a.FlowLogs {
		if x := &a.FlowLogs[n]; x.Account == a.Account && x.Region == a.Region {
			x.Account, x.Region = "", ""
		}
	}
	return a
}

// alertID is made from the record alone, with every field that the alert shows or that sets its
// level: so a forged record can't suppress the alert of another record (I2).
func alertID(f detection.Finding) string {
	rec, id := f.Record, f.Record.Identity
	mfa := "not told"
	if id.MFA != nil {
		mfa = fmt.Sprint(*id.MFA)
	}
	return alert.ID(string(alert.Tamper), rec.Account, rec.Region, rec.EventSource, rec.EventName, TargetOf(rec), rec.Detail, rec.RequestHash,
		id.Type, id.ARN, id.AccountID, id.AccessKeyID, id.SessionIssuer, id.InvokedBy, mfa, rec.SourceIP, rec.EventID, rec.EventTime.UTC().Format(time.RFC3339),
		id.UserName, id.PrincipalID, id.OnBehalfOf, id.SourceIdentity, id.WebIdentity)
}

// deliveryService is the AWS service that writes a bucket's policy when somebody creates a flow log.
const deliveryService = "delivery.logs.amazonaws.com"

// destroys has the calls that delete a whole destination.
var destroys = map[string]bool{"DeleteLogGroup": true, "DeleteBucket": true, "DeleteDeliveryStream": true}

func detailOf(r cloudtrail.Record) string {
	if r.Detail == "" {
		return ""
	}
	return " (" + r.Detail + ")"
}

// unstatedWords say what happened and what to do first, if the record does not name the changed resource.
// A title has room only for the beginning of the cause, so that begins with what may be lost.
func unstatedWords(r cloudtrail.Record, i Impact) (cause, todo string) {
	cause = r.EventName + ", target not stated: " + strings.Join(i.Uses, " and ")
	todo = "find out what it changed"
	if r.OmittedSize != "" {
		cause += "; CloudTrail left out its " + r.OmittedSize + " bytes of parameters"
		todo += ": a request of more than 100 KB, such as a policy padded with white space, may be meant to hide that"
	}
	return cause, todo + "; then " + cmp.Or(advice(r), "put it back")
}
