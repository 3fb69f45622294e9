package doctor_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowkeeper/configs"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "DescribeFlowLogs")
	r := f.examine(t)
	r.expect(t, "describe", doctor.Fail, "not authorized to perform: ec2:DescribeFlowLogs", "allow ec2:DescribeFlowLogs")
	for _, check := range []string{"create", "tag", "pass-role", "log-delivery"} {
		r.expect(t, check, doctor.Skipped, "not authorized to perform: ec2:DescribeFlowLogs")
	}
}

// TestNamesAreOptional: without ec2:DescribeTags nothing fails, and the doctor says that names will be missing.
func TestNamesAreOptional(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "DescribeTags")
	f.examine(t).expect(t, "describe", doctor.OK, "show no names of VPCs", "allow ec2:DescribeTags")
}

func TestCreate(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "CreateFlowLogs")
	r := f.examine(t)
	r.expect(t, "create", doctor.Fail, "a restore of fl-000000b2", "allow ec2:CreateFlowLogs")
	if len(r["create"]) != 2 {
		t.Errorf("the dry runs are %+v, want one for each destination", r["create"])
	}
	r.expect(t, "tag", doctor.Unknown)
	f.untouched(t)

	// The snapshot counts, not what AWS shows: a restore of a gone flow log is tried, too.
	f = newFake(t)
	path := filepath.Join(t.TempDir(), "state.db")
	remembers(t, path, func(*store.Tx) error { return nil })
	f.Remove(acct, region, "fl-000000a1")
	f.Remove(acct, region, "fl-000000b2")
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path }).expect(t, "create", doctor.OK, "2 destinations")

	// With mode alert the daemon never creates, so nothing is tried.
	f = newFake(t)
	r = f.examine(t, func(d *doctor.Doctor) { d.Config.Remediate.Mode = "alert" })
	for _, check := range []string{"create", "tag", "pass-role", "log-delivery"} {
		r.expect(t, check, doctor.Skipped, "mode is alert")
	}
	if n := len(f.Calls("")); n != 0 {
		t.Errorf("%d calls in mode alert", n)
	}
}

func TestTag(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "CreateTags")
	r := f.examine(t)
	r.expect(t, "tag", doctor.Fail, "without tags only", "allow ec2:CreateTags")
	r.expect(t, "create", doctor.OK)
	f.untouched(t)
}

func TestPassRoleByDryRun(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "PassRole")
	r := f.examine(t)
	r.expect(t, "pass-role", doctor.Fail, "a restore with "+roleARN, `"Action":"iam:PassRole","Resource":"`+roleARN+`"`)
	r.expect(t, "create", doctor.OK)
}

func TestLogDeliveryByDryRun(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "CreateLogDelivery")
	f.examine(t).expect(t, "log-delivery", doctor.Fail, "would be refused", "allow logs:CreateLogDelivery")
}

// TestDelegatedByDryRun: a dry run tries each permission that a restore needs because of a flow log's fields or
// destination, and a check of its own reports each.
func TestDelegatedByDryRun(t *testing.T) {
	t.Parallel()
	const stream = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/s"
	for action, statement := range map[string]string{
		"ecs:ListTasks": "RecordFieldsOfECSAndTags", "autoscaling:DescribeTags": "RecordFieldsOfECSAndTags",
		"firehose:TagDeliveryStream": "DeliverToFirehose", "iam:CreateServiceLinkedRole": "MakeTheirServiceLinkedRoles",
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			for _, log := range []fakeaws.FlowLog{
				{ResourceID: "vpc-3", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", LogFormat: "${ecs-task-arn}"},
				{ResourceID: "vpc-4", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", TagFields: []fakeaws.TagField{{ResourceType: "instance", Keys: []string{"Name"}}}},
				{ResourceID: "vpc-5", LogDestinationType: "kinesis-data-firehose", LogDestination: stream},
			} {
				log.TrafficType, log.MaxAggregationInterval = "ALL", 600
				f.Plant(acct, region, log)
			}
			f.RemoveServiceLinkedRoles(acct)
			f.examine(t).expect(t, "create", doctor.OK, "dry runs for 5")
			f.Deny("flowkeeper", action)
			r := f.examine(t)
			r.expect(t, "log-delivery", doctor.Fail, "would be refused", "allow "+action+" ("+statement)
			r.expect(t, "create", doctor.OK)
		})
	}
}

func TestRestorable(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	scope := inventory.Scope{Account: acct, Region: region}
	examined := func(more func(*store.Tx) error, rehearsals ...rehearse.Rehearsal) results {
		path := filepath.Join(t.TempDir(), "state.db")
		remembers(t, path, more)
		rehearsed(t, path, func(tx rehearse.Tx) error { return tx.SaveRehearsals(scope, rehearse.Changes{Rehearsals: rehearsals}) })
		return f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path })
	}
	examined(func(*store.Tx) error { return nil }).expect(t, "restorable", doctor.OK, "2 not rehearsed yet")
	r := examined(func(tx *store.Tx) error {
		return errors.Join(tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-000000c3", State: incident.Blocked, Reason: incident.Permission, DetectedAt: time.Now()}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-000000d4", State: incident.Open, DetectedAt: time.Now()}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-000000e5", State: incident.Verified, DetectedAt: time.Now()}))
	}, rehearse.Rehearsal{Scope: scope, Target: delivery.Target{Type: "s3", Destination: "arn:aws:s3:::b"}, At: time.Now(), Reason: incident.Permission})
	r.expect(t, "restorable", doctor.Warn, "1 flow log could not be restored")
	r.expect(t, "restorable", doctor.Fail, "1 incident is blocked (1 permission)", "stays gone until a person helps", "incidents list --state blocked")
	r.expect(t, "restorable", doctor.Warn, "1 incident is open", "incidents list --state open")
	examined(func(tx *store.Tx) error {
		row, _, err := tx.FlowLog(scope, "fl-000000a1")
		row.ReleasedUntil = time.Now().Add(2160 * time.Hour)
		return errors.Join(err, tx.PutFlowLog(row))
	}).expect(t, "restorable", doctor.Warn, "1 flow log is released until 2", "inventory release ID... --undo")
	examined(func(tx *store.Tx) error {
		for _, id := range []string{"fl-000000a1", "fl-000000b2"} {
			row, _, err := tx.FlowLog(scope, id)
			if err != nil {
				return err
			}
			row.Protected, row.Excluded = false, true
			if err := tx.PutFlowLog(row); err != nil {
				return err
			}
		}
		return nil
	}).expect(t, "restorable", doctor.Warn, "nothing is protected")
	examined(func(tx *store.Tx) error {
		row, _, err := tx.FlowLog(scope, "fl-000000a1")
		row.Protected = false
		return errors.Join(err, tx.PutFlowLog(row))
	}).expect(t, "restorable", doctor.Warn, "1 flow log is not protected and would not be restored", "(fl-000000a1)", "flowkeeper inventory release ID")
}

// TestRestorableSaysWhy: the doctor says why incidents are blocked and what to do. It also reports used
// tokens and unreported losses of the last day, which the state of no incident shows any more.
func TestRestorableSaysWhy(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	scope, now := inventory.Scope{Account: acct, Region: region}, time.Now()
	examined := func(incidents []incident.Incident, events ...incident.Event) results {
		path := filepath.Join(t.TempDir(), "state.db")
		remembers(t, path, func(tx *store.Tx) (err error) {
			for n, i := range incidents {
				i.Scope, i.FlowLogID, i.DetectedAt = scope, fmt.Sprintf("fl-000000c%d", n), now
				err = errors.Join(err, tx.PutIncident(i))
			}
			for _, e := range events {
				e.Scope, e.DetectedAt = scope, now
				err = errors.Join(err, tx.PutEvent(e))
			}
			return err
		})
		return f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path })
	}
	blocked := func(reason incident.Reason) incident.Incident {
		return incident.Incident{State: incident.Blocked, Reason: reason}
	}
	examined([]incident.Incident{blocked(incident.Permission), blocked(incident.TokenUsed), blocked(incident.TokenUsed)}).expect(t, "restorable", doctor.Fail,
		"3 incidents are blocked (2 token_used, 1 permission)", "in CloudTrail who called CreateFlowLogs", "another remediate.token_key")
	examined([]incident.Incident{blocked(incident.Managed)}).expect(t, "restorable", doctor.Fail, "(1 managed)", "change the telemetry rule", "inventory release ID")
	r := examined([]incident.Incident{blocked(incident.Permission)}).expect(t, "restorable", doctor.Fail, "(1 permission)")
	if strings.Contains(r.Fix, "CloudTrail") || strings.Contains(r.Fix, "telemetry") {
		t.Errorf("the fix has advice for reasons that no incident has: %s", r.Fix)
	}
	examined(nil, incident.Event{ID: "e-1", TokenUsed: true}, incident.Event{ID: "e-2"}).expect(t, "restorable", doctor.Warn, "its ClientToken was used for another call before", "after 1 deletion", "another remediate.token_key")
	drift := incident.DriftEventID(inventory.Scope{Account: acct, Region: region}, now)
	examined([]incident.Incident{{State: incident.Verified, Source: incident.ByDrift, EventID: drift}, {State: incident.Verified, Source: incident.ByDrift, EventID: drift}}).
		expect(t, "restorable", doctor.Warn, "a refresh found 2 losses of the last day that no event has reported", "event-rule")
}

func TestTelemetryRules(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.examine(t).expect(t, "telemetry-rules", doctor.Skipped)
	examined := func(tags map[string]string, rules ...configs.Rule) results {
		path := filepath.Join(t.TempDir(), "state.db")
		remembers(t, path, func(tx *store.Tx) error {
			row, _, err := tx.FlowLog(inventory.Scope{Account: acct, Region: region}, "fl-000000b2")
			row.Tags = tags
			return errors.Join(err, tx.PutFlowLog(row))
		})
		return f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path, d.Config.Remediate.Rules = path, rules })
	}
	examined(nil).expect(t, "telemetry-rules", doctor.OK, "no flow log has the tag CloudWatchTelemetryRuleManaged")
	managed := map[string]string{incident.TelemetryTag: "true"}
	examined(managed).expect(t, "telemetry-rules", doctor.OK, "1 flow log has the tag", "the built-in rule holds: wait 15m", "list-telemetry-rules")
	examined(managed, configs.Rule{Principal: "arn:aws:iam::" + acct + ":role/else", Action: "ignore"},
		configs.Rule{Principal: "arn:aws:iam::{account}:role/aws-service-role/telemetry-enablement.observabilityadmin.amazonaws.com/*", Action: "wait", Wait: time.Hour}).
		expect(t, "telemetry-rules", doctor.OK, "remediate.rules[1] holds: wait 1h")
}
