package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/configs"
	"flowkeeper/internal/backup"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/queuepolicy"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate/tamper"
)

// dependencies knows what this daemon depends on, in addition to what the snapshot has. It is safe for
// concurrent use.
type dependencies struct {
	facts  facts
	log    *slog.Logger
	queue  string // its URL
	client *sqs.Client

	mu      sync.Mutex          // guards what follows
	byFleet []tamper.Dependency // what the configuration names, and what the accounts need
	byQueue []tamper.Dependency // what the queue's attributes name
}

// All implements tamper.Dependencies.
func (d *dependencies) All() []tamper.Dependency {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Concat(d.byFleet, d.byQueue)
}

// follow replaces the dependencies that come from the configuration and from the scopes of the fleet.
func (d *dependencies) follow(c configs.Config, all []inventory.Scope) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byFleet = Dependencies(c, all)
}

// Dependencies returns those that the configuration names, and every trail of the accounts:
// the configuration does not say which of them EventBridge gets its events from.
func Dependencies(c configs.Config, all []inventory.Scope) (out []tamper.Dependency) {
	add := func(pattern, as string) { out = append(out, tamper.Dependency{ARN: pattern, As: as}) }
	if q, err := c.Queue.Parse(); err == nil {
		add(fmt.Sprintf("arn:*:sqs:%s:%s:%s", cmp.Or(q.Region, "*"), q.Account, q.Name), "the queue that events come by")
	}
	if place, err := backup.Parse(c.State.Backup); err == nil {
		add("arn:aws:s3:::"+place.Bucket, "the bucket of state.backup")
	}
	if o := c.Organization; o.RoleName != "" {
		add("arn:*:iam::*:role/"+o.RoleName, "the role that Flowkeeper has in each account")
		if o.ListRoleARN != "" {
			add(o.ListRoleARN, "the role that lists the accounts")
		}
	}
	accounts := map[string]bool{}
	for _, a := range c.Accounts {
		if a.RoleARN != "" {
			add(a.RoleARN, "the role that Flowkeeper has in account "+a.ID)
		}
	}
	for _, s := range all {
		if !accounts[s.Account] {
			accounts[s.Account] = true
			add(fmt.Sprintf("arn:*:cloudtrail:*:%s:trail/*", s.Account), "a trail that events come from")
		}
	}
	for _, pattern := range c.Inventory.DependsOn {
		add(pattern, "named in inventory.depends_on")
	}
	for _, b := range c.LogFiles.Buckets {
		add("arn:*:s3:::"+b.Name, "the bucket of log files that events come from")
		if b.RoleARN != "" {
			add(b.RoleARN, "the role that Flowkeeper reads log files with")
		}
	}
	return out
}

// askQueueAgain is how often the queue is asked for its attributes.
const askQueueAgain = 10 * time.Minute

// askPauses are the pauses after failures.
var askPauses = retry.Backoff{First: 10 * time.Second, Most: askQueueAgain}

// factQueue is the queue's last known attributes. A daemon judges tampering by them until
// the queue has answered.
const factQueue = "queue attributes"

// loadQueueAttributes takes the last known attributes from the state file.
func (d *dependencies) loadQueueAttributes(ctx context.Context) {
	var attributes map[string]string
	text, err := d.facts.Fact(ctx, factQueue)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &attributes)
	}
	if err != nil {
		d.log.Warn("what was known of the queue is not any more; asking it again", "error", err)
		return
	}
	d.setQueueAttributes(attributes)
}

func (d *dependencies) setQueueAttributes(attributes map[string]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byQueue = queueDependencies(attributes)
}

// ask reads and remembers the attributes of the queue: its policy names the rules that may
// send, and its key may be needed too. After an error the last known attributes stay.
func (d *dependencies) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := d.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &d.queue,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNamePolicy, types.QueueAttributeNameKmsMasterKeyId, types.QueueAttributeNameQueueArn}})
	if err != nil {
		return err
	}
	d.setQueueAttributes(out.Attributes)
	text, err := json.Marshal(out.Attributes)
	if err != nil {
		return err
	}
	if known, err := d.facts.Fact(ctx, factQueue); err == nil && known != string(text) {
		return d.facts.SetFact(ctx, factQueue, string(text))
	}
	return nil
}

// askFirst asks before any message is received, because tampering is judged by the answer.
// It tries three times at most, because deletions wait for it.
func (d *dependencies) askFirst(ctx context.Context) (err error) {
	for n := range 3 {
		if n > 0 && !retry.Sleep(ctx, time.Second) {
			return nil
		}
		if err = d.ask(ctx); err == nil || !scopes.Passes(err) {
			return err
		}
	}
	return err
}

// keepAsking asks every askQueueAgain until ctx ends, sooner after a failure. failed is the
// error of askFirst.
func (d *dependencies) keepAsking(ctx context.Context, failed error) {
	var asking outage.Outage
	for {
		if asking.Note(failed) == outage.Began {
			d.log.Warn("the queue's policy and key can't be asked for, so that there may be no alert of tampering with its rule or key; allow sqs:GetQueueAttributes", "error", failed)
		}
		pause := askQueueAgain
		if failed != nil {
			pause = askPauses.Pause(asking.Failures() - 1)
		}
		if !retry.Sleep(ctx, pause) {
			return
		}
		failed = d.ask(ctx)
	}
}

// queueDependencies returns what the attributes of a queue name: rules and a key. The alias of
// an AWS managed key is left out, because that key can't be disabled or deleted.
func queueDependencies(attributes map[string]string) (out []tamper.Dependency) {
	for _, rule := range queuepolicy.Rules(attributes[string(types.QueueAttributeNamePolicy)]) {
		out = append(out, tamper.Dependency{ARN: rule, As: "the rule that sends events to the queue"})
	}
	key := attributes[string(types.QueueAttributeNameKmsMasterKeyId)]
	queue, err := arn.Parse(attributes[string(types.QueueAttributeNameQueueArn)])
	if key == "" || strings.HasPrefix(key, "alias/") {
		return out
	}
	if !strings.HasPrefix(key, "arn:") {
		if err != nil {
			return out
		}
		key = arn.ARN{Partition: queue.Partition, Service: "kms", Region: queue.Region, AccountID: queue.AccountID, Resource: "key/" + key}.String()
	}
	return append(out, tamper.Dependency{ARN: key, As: "the key of the queue"})
}
