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
)

// play is the story, from the first refresh to the table.
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
	if err := until(ctx, "the first refresh", func() bool { return d.Refreshed() }); err != nil {
		return err
	}
	t.say("%d flow logs of %d resources are in the snapshot. The attack begins.", len(before), len(resources))
	for _, scene := range []func(context.Context, *stage, *timeline, []string) error{one, five, refused, again, silent} {
		if err := scene(ctx, s, t, ids); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	if err := until(ctx, "every restore to be verified", func() bool { return t.count(alert.Closed) == t.count(alert.Deletion) }); err != nil {
		return err
	}
	after, err := s.describe(ctx)
	if err != nil {
		return err
	}
	return t.table(compare(before, after))
}

func one(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory, with an administrator's leaked key, deletes one flow log.")
	return s.strike(ctx, t, ids[0])
}

func five(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory deletes five more in one call.")
	return s.strike(ctx, t, ids[1:6]...)
}

func refused(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("intern tries too, without the permission.")
	s.world.Deny("intern", "DeleteFlowLogs")
	t.strikes()
	_, err := s.intern.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids[6:8]})
	if err == nil {
		return errors.New("the refused attempt was not refused")
	}
	return t.wait(ctx, alert.Attempt, 1)
}

func again(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory finds the replacement of the first one, and deletes it as well.")
	id, err := s.replacement(ctx, ids[0])
	if err != nil {
		return err
	}
	return s.strike(ctx, t, id)
}

func silent(ctx context.Context, s *stage, t *timeline, ids []string) error {
	t.say("mallory stops the trail and deletes another: there is no event. The next refresh finds it.")
	if err := s.stopTrail(ctx, t); err != nil {
		return err
	}
	defer s.world.MuteTrail(false)
	return s.strike(ctx, t, ids[9])
}

// stopTrail sends the record of StopLogging, the last of the trail.
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

// strike deletes flow logs as mallory and waits until they are back.
func (s *stage) strike(ctx context.Context, t *timeline, ids ...string) error {
	n := t.count(alert.Restored)
	t.strikes()
	out, err := s.attacker.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	if err != nil || len(out.Unsuccessful) > 0 {
		return fmt.Errorf("delete %v as the attacker: %v %w", ids, out, err)
	}
	return t.wait(ctx, alert.Restored, n+1)
}

// replacement finds the flow log that was made in place of another.
func (s *stage) replacement(ctx context.Context, id string) (string, error) {
	now, err := s.describe(ctx)
	if err != nil {
		return "", err
	}
	n := slices.IndexFunc(now, func(f types.FlowLog) bool { return tags(f)["flowkeeper:restored-from"] == id })
	if n < 0 {
		return "", fmt.Errorf("nothing stands in the place of %s", id)
	}
	return aws.ToString(now[n].FlowLogId), nil
}

// until waits for a condition.
func until(ctx context.Context, what string, done func() bool) error {
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
