package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/inventory"
	"flowkeeper/remediate/tamper"
)

func arns(all []tamper.Dependency) (out []string) {
	for _, d := range all {
		out = append(out, d.ARN)
	}
	slices.Sort(out)
	return out
}

func TestDependenciesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	c := configs.Config{
		Queue:     configs.Queue{URL: "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"},
		Accounts:  []configs.Account{{ID: "111122223333"}, {ID: "444455556666", RoleARN: "arn:aws:iam::444455556666:role/fk"}},
		Alerts:    []configs.Sink{{Name: "mail", TopicARN: "arn:aws:sns:eu-west-1:111122223333:alerts"}, {Name: "hook"}},
		State:     configs.State{Backup: "s3://copies/a/b"},
		Inventory: configs.Inventory{DependsOn: []string{"arn:aws:kms:*:111122223333:key/*"}},
		LogFiles:  configs.LogFiles{Buckets: []configs.LogBucket{{Name: "org-trail", RoleARN: "arn:aws:iam::999988887777:role/read"}, {Name: "trail"}}},
	}
	got := arns(Dependencies(c, []inventory.Scope{{Account: "111122223333", Region: "eu-west-1"}, {Account: "111122223333", Region: "eu-west-2"}, {Account: "444455556666", Region: "eu-west-1"}}))
	want := []string{
		"arn:*:cloudtrail:*:111122223333:trail/*", "arn:*:cloudtrail:*:444455556666:trail/*", "arn:*:s3:::org-trail", "arn:*:s3:::trail", "arn:*:sqs:eu-west-1:111122223333:flowkeeper",
		"arn:aws:iam::444455556666:role/fk", "arn:aws:iam::999988887777:role/read", "arn:aws:kms:*:111122223333:key/*", "arn:aws:s3:::copies",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestDependenciesOfTheQueue(t *testing.T) {
	t.Parallel()
	const queue = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"
	allow := func(effect, operator, key, value string) string {
		return fmt.Sprintf(`{"Statement":[{"Effect":%q,"Condition":{%q:{%q:%s}}}]}`, effect, operator, key, value)
	}
	for _, c := range []struct {
		name, policy, key string
		want              []string
	}{
		{"neither", "", "", nil},
		{"no JSON, and a key of AWS", "no JSON", "alias/aws/sqs", nil},
		{"allowed", allow("Allow", "ArnEquals", "aws:SourceArn", `"arn:aws:events:eu-west-1:111122223333:rule/fk"`), "", []string{"arn:aws:events:eu-west-1:111122223333:rule/fk"}},
		{"a rule, and a topic", allow("Allow", "ArnLike", "AWS:SourceArn", `["arn:aws:events:*:111122223333:rule/fk*","arn:aws:sns:eu-west-1:111122223333:x"]`), "", []string{"arn:aws:events:*:111122223333:rule/fk*"}},
		{"all others denied", allow("Deny", "ArnNotEquals", "aws:SourceArn", `"arn:aws:events:eu-west-1:111122223333:rule/fk"`), "", []string{"arn:aws:events:eu-west-1:111122223333:rule/fk"}},
		{"all others allowed", allow("Allow", "ArnNotEquals", "aws:SourceArn", `"arn:aws:events:eu-west-1:111122223333:rule/fk"`), "", nil},
		{"an operator with affixes", allow("Allow", "ForAnyValue:StringLikeIfExists", "aws:SourceArn", `"arn:aws:events:eu-west-1:111122223333:rule/fk"`), "", []string{"arn:aws:events:eu-west-1:111122223333:rule/fk"}},
		{"a statement that is no list", `{"Statement":{"Effect":"Allow","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:eu-west-1:111122223333:rule/fk"}}}}`, "", []string{"arn:aws:events:eu-west-1:111122223333:rule/fk"}},
		{"the ID of a key", "", "1234abcd", []string{"arn:aws:kms:eu-west-1:111122223333:key/1234abcd"}},
		{"the ARN of a key", "", "arn:aws:kms:eu-west-1:444455556666:key/1234abcd", []string{"arn:aws:kms:eu-west-1:444455556666:key/1234abcd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := arns(queueDependencies(map[string]string{"Policy": c.policy, "KmsMasterKeyId": c.key, "QueueArn": queue})); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestTamperFromTheQueue: messages about tampering become alerts, also of the EventBridge rule that only the policy of
// the queue names. Tampering with a bucket that nothing depends on does not.
func TestTamperFromTheQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.nameRuleInQueuePolicy()
	h.plant(region, "vpc-1")
	h.refreshed()
	h.await("the queue's policy", func() bool {
		return slices.ContainsFunc(h.daemon.depends.All(), func(d tamper.Dependency) bool { return strings.HasPrefix(d.ARN, "arn:aws:events:") })
	})
	h.sendRecord(account, "s3", "PutBucketPolicy", `{"bucketName":"somebody-elses"}`)
	h.sendRecord(account, "events", "DisableRule", `{"name":"flowkeeper"}`)
	h.sendRecord(account, "s3", "DeleteBucket", `{"bucketName":"flow-logs"}`)
	h.await("two alerts", func() bool { return len(h.pager.of(alert.Tamper)) >= 2 && h.world.Deleted(h.queue) == 3 })
	levels := map[string]alert.Level{}
	for _, a := range h.pager.of(alert.Tamper) {
		levels[a.Target] = a.Level
	}
	if len(levels) != 2 || levels["arn:aws:events:eu-west-1:111122223333:rule/flowkeeper"] != alert.High || levels["arn:aws:s3:::flow-logs"] != alert.Critical {
		t.Errorf("%v", levels)
	}
}

// TestTamperBeforeTheFirstRefresh: with an empty state file, the daemon does not know on which buckets its flow logs
// depend. It handles the messages in the queue after the first refresh has found them.
func TestTamperBeforeTheFirstRefresh(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	if err := h.world.Send(h.queue, fmt.Sprintf(`{"eventSource":"s3.amazonaws.com","eventName":"DeleteBucket","eventTime":"2026-03-01T12:02:26Z","awsRegion":%q,"recipientAccountId":%q,"eventID":"e1","requestParameters":{"bucketName":"flow-logs"}}`, region, account)); err != nil {
		t.Fatal(err)
	}
	h.refreshed()
	h.await("the alert", func() bool { return len(h.pager.of(alert.Tamper)) == 1 })
}

// TestWhatIsNotUnderstoodOfTheQueueEndsNothing: if the attributes of the queue in the state file can't be parsed, the
// daemon starts, and asks SQS for them again.
func TestWhatIsNotUnderstoodOfTheQueueEndsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	stored := func() bool {
		text, err := h.daemon.store.Fact(t.Context(), factQueue)
		return err == nil && len(text) > 1
	}
	h.await("the queue's attributes", stored)
	h.sql(`UPDATE facts SET value = '{' WHERE name = 'queue attributes'`)
	h.halt()
	h.restart()
	h.await("the queue's attributes again", stored)
}
