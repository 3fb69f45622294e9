package remediate_test

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
)

// TestAnAddendumBelongsToItsEvent: an addendum repeats an event with corrections. It adds no second alert, not
// even if it corrects who made the call.
func TestAnAddendumBelongsToItsEvent(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]string{"the same principal": `"x":1`, "another principal": asCI} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.attack(id)
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID))
			s.reconcile()
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum, who))
			s.advance(time.Hour)
			s.wantRestored("vpc-1")
			if n := s.creates(); n != 1 {
				t.Errorf("%d creates", n)
			}
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
		})
	}
}

// TestAnAddendumWithoutItsEventActs: the original record was lost. The addendum opens the incident, and its
// alert has the event ID of the original, so that an original which comes late adds no alert.
func TestAnAddendumWithoutItsEventActs(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id)
	s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum))
	s.reconcile()
	s.wantRestored("vpc-1")
	all := s.alerts(alert.Deletion)
	if len(all) != 1 || all[0].EventID != "6f0c0000-0000-4000-8000-000000000001" {
		t.Fatalf("%+v", all)
	}
	s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID)) // the original comes late
	s.advance(time.Hour)
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
}

// TestAnAddendumOfARefusedCallOrTampering: an addendum adds no second alert of a refused call or of tampering
// either. If it states a target that the original left out, it is alerted with the dedup key of the original.
func TestAnAddendumOfARefusedCallOrTampering(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	s.deliverRaw(
		s.rawRecord("ec2", "DeleteFlowLogs", deleting("fl-00000001"), eventID, `"errorCode":"Client.UnauthorizedOperation"`),
		s.rawRecord("ec2", "DeleteFlowLogs", deleting("fl-00000001"), addendum, `"errorCode":"Client.UnauthorizedOperation"`),
		s.rawRecord("logs", "PutRetentionPolicy", `{"logGroupName":"/vpc/flow","retentionInDays":1}`, eventID),
		s.rawRecord("logs", "PutRetentionPolicy", `{"logGroupName":"/vpc/flow","retentionInDays":1}`, addendum),
		s.rawRecord("iam", "PutRolePolicy", omitted, eventID),
		s.rawRecord("iam", "PutRolePolicy", omitted, addendum),
	)
	if a, b := s.alerts(alert.Attempt), s.alerts(alert.Tamper); len(a) != 1 || len(b) != 2 {
		t.Errorf("%d alerts about the refused call, %d about tampering", len(a), len(b))
	}
	s.deliverRaw(s.rawRecord("iam", "PutRolePolicy", `{"roleName":"delivery","policyName":"p"}`, addendum)) // this addendum states the target
	if all := s.alerts(alert.Tamper); len(all) != 3 || all[2].EventID != all[1].EventID || all[2].DedupKey != all[1].DedupKey || all[2].Target == "" {
		t.Errorf("%+v", all)
	}
}

// TestAnAddendumThatNamesMore: the original did not say which flow logs were deleted, and the addendum does. The
// flow log is restored, and an alert with the dedup key of the first one names it.
func TestAnAddendumThatNamesMore(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id)
	s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", omitted, eventID))
	if len(s.soon) != 1 || s.soon[0] != scope {
		t.Errorf("refreshes asked for: %v", s.soon)
	}
	s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum))
	s.reconcile()
	s.wantRestored("vpc-1")
	all := s.alerts(alert.Deletion)
	if len(all) != 2 || all[0].DedupKey != all[1].DedupKey || len(all[1].FlowLogs) != 1 {
		t.Fatalf("%+v", all)
	}
}

// TestI2AForgedAddendumHidesNothing: an attacker's forged addendum names a principal whom a rule ignores. It
// hides neither the event that it claims to repeat, nor a true addendum: the real deletion is alerted and
// restored.
func TestI2AForgedAddendumHidesNothing(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]func(s *scene, id string){
		"before the event": func(s *scene, id string) {
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum, asCI), s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID))
		},
		"of another flow log, before the event": func(s *scene, id string) {
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting("fl-00000001"), addendum, asCI), s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID))
		},
		"a forged event before the true addendum": func(s *scene, id string) {
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID, asCI), s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum))
		},
		"without IDs, before the true addendum": func(s *scene, id string) {
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", omitted, addendum, asCI), s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum))
		},
		"after the event": func(s *scene, id string) {
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID), s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum, asCI))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ruled(t, ci, incident.Ignore, 0)
			id := s.protect(1)[0]
			s.attack(id)
			play(s, id)
			s.advance(time.Hour)
			s.wantRestored("vpc-1")
			urgent := 0
			for _, a := range s.alerts(alert.Deletion) {
				if a.Level == alert.High || a.Level == alert.Critical {
					urgent++
				}
			}
			if urgent == 0 {
				t.Errorf("there is no alert of mallory's deletion: %+v", s.alerts(alert.Deletion))
			}
		})
	}
}

// TestI2AForgedAddendumOfWhatLives: a forged addendum names a flow log that is alive. When the flow log is
// really deleted later, its record is alerted and restored all the same.
func TestI2AForgedAddendumOfWhatLives(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum))
	s.advance(time.Hour)
	s.wantState(id, incident.Closed, incident.StillThere)
	if n := s.creates(); n != 0 {
		t.Fatalf("%d creates", n)
	}
	s.attack(id)
	s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), addendum)) // the true addendum of CloudTrail; the original was lost
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
	s.wantAlerts(alert.Deletion, 2)
}

// TestTargetsOfOurRule: a call that sends the events of our rule, or the records of our delivery stream, to
// another target is tampering, and the alert names that target. A call about another rule, bus or stream is not.
func TestTargetsOfOurRule(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	s.deliverRaw(
		s.rawRecord("events", "PutTargets", `{"rule":"flowkeeper","targets":[{"id":"queue","arn":"arn:aws:sqs:eu-west-1:111122223333:nowhere"}]}`, eventID),
		s.rawRecord("events", "PutTargets", `{"rule":"another","targets":[{"id":"queue","arn":"arn:aws:sqs:eu-west-1:111122223333:nowhere"}]}`, eventID),
		s.rawRecord("events", "PutTargets", `{"rule":"flowkeeper","eventBusName":"another","targets":[]}`, eventID),
		s.rawRecord("firehose", "UpdateDestination", `{"deliveryStreamName":"flow","destinationId":"d","extendedS3DestinationUpdate":{"bucketARN":"arn:aws:s3:::elsewhere"}}`, eventID),
		s.rawRecord("firehose", "UpdateDestination", `{"deliveryStreamName":"another","destinationId":"d"}`, eventID),
	)
	all := s.alerts(alert.Tamper)
	if len(all) != 2 {
		t.Fatalf("%d alerts: %+v", len(all), all)
	}
	for n, want := range []string{
		"PutTargets of flowkeeper (to arn:aws:sqs:eu-west-1:111122223333:nowhere), the rule that sends events to the queue",
		"UpdateDestination of flow (to arn:aws:s3:::elsewhere), the destination of 1 flow log",
	} {
		if a := all[n]; a.Cause != want || a.Level != alert.High || a.Advice == "" {
			t.Errorf("%+v", a)
		}
	}
}

// TestNoNameButAnARNMatchesARule: an identity provider decides what a user is called. A name that looks like the
// ARN of a role must not match a rule for that role.
func TestNoNameButAnARNMatchesARule(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]string{
		"userName":       `"userIdentity":{"type":"SAMLUser","principalId":"p","userName":"` + ci + `"}`,
		"principalId":    `"userIdentity":{"type":"AWSAccount","principalId":"` + ci + `","accountId":"111122223333"}`,
		"onBehalfOf":     `"userIdentity":{"type":"IdentityCenterUser","onBehalfOf":{"userId":"` + ci + `","identityStoreArn":"` + ci + `"}}`,
		"sourceIdentity": `"userIdentity":{"type":"AssumedRole","sessionContext":{"sourceIdentity":"` + ci + `","webIdFederationData":{"federatedProvider":"` + ci + `"}}}`,
		"identity":       `"userIdentity":{"type":"WebIdentityUser","identityProvider":"` + ci + `","credentialId":"` + ci + `","invokedBy":"` + ci + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ruled(t, "*", incident.Restore, 0)
			s.policy.Rules = []incident.Rule{{Principal: ci, Action: incident.Ignore}}
			s.crash()
			id := s.protect(1)[0]
			s.attack(id)
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID, who))
			s.reconcile()
			s.wantRestored("vpc-1")
			if all := s.alerts(alert.Deletion); len(all) != 1 || all[0].Level.AtLeast(alert.High) == false {
				t.Errorf("%+v", all)
			}
		})
	}
}

// TestI2TwinsWithoutAnARN: two records have the same event ID, and name different people without an ARN. Neither
// may count as a repetition of the other.
func TestI2TwinsWithoutAnARN(t *testing.T) {
	t.Parallel()
	user := func(id string) string {
		return `"userIdentity":{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"` + id + `"}}`
	}
	s, id := protectedOne(t)
	s.attack(id)
	s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID, user("one")), s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID, user("two")), s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID, user("two")))
	all := s.alerts(alert.Deletion)
	if len(all) != 2 || !strings.Contains(all[0].Title, "by IdentityCenterUser one") || !strings.Contains(all[1].Title, "by IdentityCenterUser two") {
		t.Errorf("%+v", all)
	}
	// The same holds for tampering by two people in sessions of one role.
	d := dependent(t)
	as := func(who string) string {
		return `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ops/x","sessionContext":{"sourceIdentity":"` + who + `"}}`
	}
	for _, who := range []string{"alice", "bob", "bob"} {
		d.deliverRaw(d.rawRecord("logs", "PutRetentionPolicy", `{"logGroupName":"/vpc/flow","retentionInDays":1}`, eventID, as(who)))
	}
	if n := len(d.alerts(alert.Tamper)); n != 2 {
		t.Errorf("%d alerts of tampering, want 2", n)
	}
}

// TestWhoMadeADestination: a record names the creator of a flow log without an ARN. The snapshot names him all
// the same, but his name must not match the role of a rule.
func TestWhoMadeADestination(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ who, want string }{
		"IdentityCenter user":   {`{"type":"IdentityCenterUser","onBehalfOf":{"userId":"u-1"}}`, "IdentityCenterUser u-1"},
		"user name like a role": {`{"userName":"` + ci + `"}`, `"` + ci + `"`},
		"SAML user":             {`{"type":"SAMLUser","userName":"` + ci + `"}`, "SAMLUser " + ci},
		"nobody":                {`{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := ruled(t, ci, incident.Wait, 10*time.Minute)
			id := s.protect(1)[0]
			s.attack(id)
			s.deliverRaw(s.rawRecord("ec2", "DeleteFlowLogs", deleting(id), eventID, asCI))
			s.reconcile()
			s.advance(time.Minute)
			s.world.AddDestination("arn:aws:s3:::other")
			other := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })
			s.deliverRaw(s.rawRecord("ec2", "CreateFlowLogs", `{"CreateFlowLogsRequest":{"ResourceId":{"content":"vpc-1"}}}`, `"eventID":"made"`, `"userIdentity":`+c.who, `"responseElements":{"CreateFlowLogsResponse":{"flowLogIdSet":{"item":"`+other+`"}}}`))
			s.refresh()
			if got := s.row(other).CreatedBy; got != c.want {
				t.Errorf("created by %q, want %q", got, c.want)
			}
			s.advance(20 * time.Minute)
			if i := s.incident(id); i.Reason == incident.Replaced {
				t.Errorf("%s excuses the deletion of %s", c.who, ci)
			}
		})
	}
}
