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
	for _, scene := range []struct {
		story string
		play  func() error
	}{
		{"mallory, with an administrator's leaked key, deletes one flow log.", func() error { return s.attack(ctx, t, ids[0]) }},
		{"mallory deletes five more in one call.", func() error { return s.attack(ctx, t, ids[1:6]...) }},
		{"intern tries too, without the permission.", func() error { return s.attempt(ctx, t, ids[6:8]) }},
		{"mallory finds the replacement of the first one, and deletes it as well.", func() error { return s.attackReplacement(ctx, t, ids[0]) }},
		{"mallory stops the trail and deletes another: there is no event. The next refresh finds it.", func() error { return s.attackUnseen(ctx, t, ids[9]) }},
	} {
		t.say("%s", scene.story)
		if err := scene.play(); err != nil {
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

// attempt deletes flow logs as intern, which AWS refuses.
func (s *stage) attempt(ctx context.Context, t *timeline, ids []string) error {
	s.world.SetDenied("intern", "DeleteFlowLogs", true)
	t.markCall()
	if _, err := s.intern.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids}); err == nil {
		return errors.New("the refused attempt was not refused")
	}
	return t.wait(ctx, alert.Attempt, 1)
}

// attackUnseen attacks after CloudTrail was stopped.
func (s *stage) attackUnseen(ctx context.Context, t *timeline, id string) error {
	if err := s.stopTrail(ctx, t); err != nil {
		return err
	}
	defer s.world.MuteTrail(false)
	return s.attack(ctx, t, id)
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
	if err == nil && len(out.Unsuccessful) > 0 {
		err = fmt.Errorf("AWS did not delete %d of them", len(out.Unsuccessful))
	}
	if err != nil {
		return fmt.Errorf("delete %v as the attacker: %w", ids, err)
	}
	return t.wait(ctx, alert.Restored, n+1)
}

// attackReplacement attacks the flow log that replaced another.
func (s *stage) attackReplacement(ctx context.Context, t *timeline, id string) error {
	now, err := s.describe(ctx)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(now, func(f types.FlowLog) bool { return tags(f)[incident.RestoredFrom] == id })
	if n < 0 {
		return fmt.Errorf("%s has no replacement", id)
	}
	return s.attack(ctx, t, aws.ToString(now[n].FlowLogId))
}

const patience = 30 * time.Second // of waitUntil

// waitUntil waits for a condition, and fails if it does not come true in time; what
// names it in the error.
func waitUntil(ctx context.Context, what string, done func() bool) error {
	tick, end := time.Tick(10*time.Millisecond), time.After(patience)
	for !done() {
		select {
		case <-tick:
		case <-end:
			return fmt.Errorf("waited %s for %s", patience, what)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
