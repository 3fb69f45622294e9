package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/alert"
	"flowkeeper/internal/daemon"
	"flowkeeper/remediate/incident"
)

// play plays the scenes, from the first refresh to the comparison.
func play(ctx context.Context, s *stage, d *daemon.Daemon, t *timeline) error {
	before, err := s.describe(ctx)
	if err != nil {
		return err
	}
	ids := make([]string, len(before))
	for n, f := range before {
		ids[n] = aws.ToString(f.FlowLogId)
	}
	slices.Sort(ids)
	if err := waitUntil(ctx, "the first refresh", d.Refreshed); err != nil {
		return err
	}
	t.say("%d flow logs of %d resources are in the snapshot. The attack begins.", len(before), len(resources))
	for _, scene := range []func(context.Context, *stage, *timeline, []string) error{deleteOne, deleteFive, attempt, deleteReplacement, deleteWithoutEvent} {
		if err := scene(ctx, s, t, ids); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	if err := waitUntil(ctx, "every restore to be verified", func() bool { return t.count(alert.Closed) == t.count(alert.Deletion) }); err != nil {
		return err
	}
	after, err := s.describe(ctx)
	if err != nil {
		return err
	}
	return t.result(compare(before, after))
}

func deleteOne(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory, with an administrator's leaked key, deletes one flow log.")
	return s.attack(ctx, t, ids[0])
}

func deleteFive(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory deletes five more in one call.")
	return s.attack(ctx, t, ids[1:6]...)
}

func attempt(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("intern tries too, without the permission.")
	s.world.Deny("intern", "DeleteFlowLogs")
	t.markCall()
	_, err := s.intern.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids[6:8]})
	if err == nil {
		return errors.New("the refused attempt was not refused")
	}
	return t.wait(ctx, alert.Attempt, 1)
}

func deleteReplacement(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory finds the replacement of the first one, and deletes it as well.")
	id, err := s.replacement(ctx, ids[0])
	if err != nil {
		return err
	}
	return s.attack(ctx, t, id)
}

func deleteWithoutEvent(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory stops the trail and deletes another: there is no event. The next refresh finds it.")
	if err := s.stopTrail(ctx, t); err != nil {
		return err
	}
	defer s.world.MuteTrail(false)
	return s.attack(ctx, t, ids[9])
}

// stopTrail sends the record of StopLogging, and no more records after it.
func (s *stage) stopTrail(ctx context.Context, t *timeline) error {
	err := s.world.Send(s.queueARN, fmt.Sprintf(`{"detail-type":"AWS API Call via CloudTrail","source":"aws.cloudtrail","detail":{"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging",
		"eventTime":%q,"awsRegion":%q,"recipientAccountId":%q,"eventID":"demo-stop-logging","sourceIPAddress":"127.0.0.1","userAgent":"aws-cli/2.17",
		"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%s:user/mallory","accountId":%q},"requestParameters":{"name":"main"}}}`,
		time.Now().UTC().Format(time.RFC3339), region, account, account, account))
	if err != nil {
		return err
	}
	s.world.MuteTrail(true)
	return t.wait(ctx, alert.Tamper, 1)
}

// attack deletes flow logs as mallory, and waits until they are restored.
func (s *stage) attack(ctx context.Context, t *timeline, ids ...string) error {
	n := t.count(alert.Restored)
	t.markCall()
	out, err := s.attacker.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	if err != nil || len(out.Unsuccessful) > 0 {
		return fmt.Errorf("delete %v as the attacker: %v %w", ids, out, err)
	}
	return t.wait(ctx, alert.Restored, n+1)
}

// replacement is the ID of the flow log that replaced another.
func (s *stage) replacement(ctx context.Context, id string) (string, error) {
	now, err := s.describe(ctx)
	if err != nil {
		return "", err
	}
	n := slices.IndexFunc(now, func(f types.FlowLog) bool { return tags(f)[incident.RestoredFrom] == id })
	if n < 0 {
		return "", fmt.Errorf("%s has no replacement", id)
	}
	return aws.ToString(now[n].FlowLogId), nil
}

const patience = 30 * time.Second // of waitUntil

// waitUntil waits for a condition, and fails if it does not come true in time; what
// names it in the error.
func waitUntil(ctx context.Context, what string, done func() bool) error {
	end := time.NewTimer(patience)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end.C:
			return fmt.Errorf("waited %s for %s", patience, what)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
