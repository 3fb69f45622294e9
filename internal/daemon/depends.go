package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/configs"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// dependencies are what this daemon needs beside what the snapshot names.
type dependencies struct {
	fixed   []remediate.Dependency
	byQueue atomic.Pointer[[]remediate.Dependency] // what the queue's own attributes name
}

func (d *dependencies) all() []remediate.Dependency {
	out := d.fixed
	if more := d.byQueue.Load(); more != nil {
		out = append(out[:len(out):len(out)], *more...)
	}
	return out
}

// Dependencies are those that the configuration names, and every trail of the
// accounts: which of them feeds EventBridge, no configuration says.
func Dependencies(c configs.Config, scopes []inventory.Scope) (out []remediate.Dependency) {
	add := func(arn, as string) { out = append(out, remediate.Dependency{ARN: arn, As: as}) }
	if q, err := c.Queue.Parse(); err == nil {
		add(fmt.Sprintf("arn:*:sqs:%s:%s:%s", cmp.Or(q.Region, "*"), q.Account, q.Name), "the queue that events come by")
	}
	for _, s := range c.Alerts {
		if s.TopicARN != "" {
			add(s.TopicARN, "the topic of the sink "+s.Name)
		}
	}
	if bucket, ok := strings.CutPrefix(c.State.Backup, "s3://"); ok {
		bucket, _, _ = strings.Cut(bucket, "/")
		add("arn:aws:s3:::"+bucket, "the bucket of state.backup")
	}
	accounts := map[string]bool{}
	for _, a := range c.Accounts {
		if a.RoleARN != "" {
			add(a.RoleARN, "the role that Flowkeeper has in account "+a.ID)
		}
	}
	for _, s := range scopes {
		if !accounts[s.Account] {
			accounts[s.Account] = true
			add(fmt.Sprintf("arn:*:cloudtrail:*:%s:trail/*", s.Account), "a trail that events come from")
		}
	}
	for _, pattern := range c.Inventory.DependsOn {
		add(pattern, "named in inventory.depends_on")
	}
	return out
}

// askQueueAgain is how often the queue is asked what it depends on.
const askQueueAgain = 10 * time.Minute

// queueAttributes is the part of the SDK's client that reads them.
type queueAttributes interface {
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput, optFns ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// watchQueue keeps what the queue depends on: the rules that its policy lets
// send, and its key. Where it may not be read, they are not known; the last
// that was known stays.
func (d *dependencies) watchQueue(ctx context.Context, url string, client queueAttributes, note func(error)) {
	for told := false; ; {
		out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNamePolicy, types.QueueAttributeNameKmsMasterKeyId, types.QueueAttributeNameQueueArn}})
		switch {
		case err == nil:
			found := ofQueue(out.Attributes)
			d.byQueue.Store(&found)
			told = false
		case !told && ctx.Err() == nil:
			told = true
			note(err)
		}
		if !sleep(ctx, askQueueAgain) {
			return
		}
	}
}

// ofQueue reads the attributes. An alias of AWS's own key is no dependency that
// anybody could break.
func ofQueue(attributes map[string]string) (out []remediate.Dependency) {
	for _, arn := range senders(attributes[string(types.QueueAttributeNamePolicy)]) {
		out = append(out, remediate.Dependency{ARN: arn, As: "the rule that sends events to the queue"})
	}
	key := attributes[string(types.QueueAttributeNameKmsMasterKeyId)]
	p := strings.Split(attributes[string(types.QueueAttributeNameQueueArn)], ":")
	switch {
	case strings.HasPrefix(key, "arn:"):
		out = append(out, remediate.Dependency{ARN: key, As: "the key of the queue"})
	case key != "" && !strings.HasPrefix(key, "alias/") && len(p) == 6:
		out = append(out, remediate.Dependency{ARN: fmt.Sprintf("arn:%s:kms:%s:%s:key/%s", p[1], p[3], p[4], key), As: "the key of the queue"})
	}
	return out
}

// senders are the rules that a queue's policy lets send, by their aws:SourceArn.
func senders(policy string) (out []string) {
	type statement struct {
		Effect    string
		Condition map[string]map[string]json.RawMessage
	}
	var doc struct{ Statement oneOrMore[statement] }
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return nil
	}
	for _, s := range doc.Statement {
		if s.Effect != "Allow" {
			continue
		}
		for _, keys := range s.Condition {
			for key, value := range keys {
				if strings.EqualFold(key, "aws:SourceArn") {
					out = append(out, ruleARNs(value)...)
				}
			}
		}
	}
	return out
}

// ruleARNs of a condition's value.
func ruleARNs(value json.RawMessage) (out []string) {
	var all oneOrMore[string]
	if json.Unmarshal(value, &all) != nil {
		return nil
	}
	for _, arn := range all {
		if p := strings.SplitN(arn, ":", 6); len(p) == 6 && p[2] == "events" {
			out = append(out, arn)
		}
	}
	return out
}

// oneOrMore is how IAM's policies write a list: one thing may stand alone.
type oneOrMore[T any] []T

func (l *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	err := json.Unmarshal(b, &one)
	*l = oneOrMore[T]{one}
	return err
}
