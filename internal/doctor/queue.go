package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/queuepolicy"
	"flowkeeper/inventory"
)

// queue is the queue of queue.url, and how it is asked.
type queue struct {
	configs.QueueRef
	machine *machine
	api     *sqs.Client
	attrs   func() (map[string]string, error)
	own     func() (identity, error) // whose the base credentials are, with which the queue is asked
	senders []*subject               // whose rules may lead to it
}

func newQueue(ctx context.Context, d *Doctor, m *machine) *queue {
	q := &queue{machine: m}
	q.api, q.QueueRef, _ = queueclient.New(d.AWS, d.Config) // Load has checked queue.url
	q.Region = cmp.Or(q.Region, d.AWS.Region)
	q.attrs = once(ctx, func(ctx context.Context) (map[string]string, error) { return attributesOf(ctx, q.api, q.URL) })
	q.own = once(ctx, func(ctx context.Context) (identity, error) { return whoAmI(ctx, d.AWS, d.Now) })
	return q
}

func attributesOf(ctx context.Context, api *sqs.Client, url string) (map[string]string, error) {
	out, err := call(ctx, api.GetQueueAttributes, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (q *queue) at() inventory.Scope { return inventory.Scope{Account: q.Account, Region: q.Region} }

func (q *queue) unusable() string {
	if _, err := q.own(); err != nil {
		return "our own credentials do not work"
	}
	return ""
}

// attribute returns an attribute of the queue; empty: it has none, or does not answer.
func (q *queue) attribute(name string) string {
	all, _ := q.attrs() // checks of attributes are skipped then
	return all[name]
}

// arn returns the ARN that the queue states, or the one that queue.url means.
func (q *queue) arn() string {
	return cmp.Or(q.attribute("QueueArn"), fmt.Sprintf("arn:%s:sqs:%s:%s:%s", inventory.Partition(q.Region), q.Region, q.Account, q.Name))
}

// buses is the beginning of the ARNs of the buses in the queue's account and Region.
func (q *queue) buses() string {
	return fmt.Sprintf("arn:%s:events:%s:%s:event-bus/", inventory.Partition(q.Region), q.Region, q.Account)
}

// targets returns the targets whose events reach the queue: the queue, and the topics that
// its policy allows to send.
func (q *queue) targets() []string {
	return append([]string{q.arn()}, queuepolicy.Topics(q.attribute("Policy"), q.arn())...)
}

// answers judges whether the queue returns its attributes. It receives nothing, which would
// hide messages from the daemon.
func (q *queue) answers(context.Context) finding {
	a, err := q.attrs()
	host := queueclient.Host(q.api)
	if err == nil {
		return fine("%s at %s", a["QueueArn"], host)
	}
	if gone(err) {
		return finding{Fail, fmt.Sprintf("%s says that there is no queue %s in account %s, Region %s", host, q.Name, q.Account, q.Region),
			fmt.Sprintf("aws sqs get-queue-url --queue-name %s --queue-owner-aws-account-id %s --region %s; set queue.url to the answer. If there is none, see that queue.url has the queue's account and Region, or make the queue anew: step 1 of docs/setup.md#by-hand", q.Name, q.Account, q.Region)}
	}
	if c := code(err); c == "" || strings.Contains(c, "Token") || strings.HasPrefix(c, "InvalidAddress") {
		return finding{Fail, fmt.Sprintf("asked at %s: %s", host, errorText(err)), "see that this machine reaches " + host + ", and that " + q.hostSetting() + " is right"}
	}
	f := unanswered(err)
	f.detail += "; asked at " + host
	return f
}

// hostSetting returns the setting that the host comes from.
func (q *queue) hostSetting() string {
	switch u, err := url.Parse(q.URL); {
	case q.machine.Config.AWS.EndpointURL != "":
		return "aws.endpoint_url"
	case err == nil && u.Host != queueclient.Host(q.api):
		return "the AWS environment (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, AWS_USE_FIPS_ENDPOINT)"
	}
	return "queue.url"
}

func gone(err error) bool {
	c := code(err) // the second one is of SQS's old protocol
	return c == "QueueDoesNotExist" || strings.Contains(c, "NonExistentQueue")
}

// answered is the queue, if it has returned its attributes.
type answered struct{ *queue }

func (q answered) unusable() string {
	if why := q.queue.unusable(); why != "" {
		return why
	}
	if _, err := q.attrs(); err != nil {
		return "the queue can't be asked"
	}
	return ""
}

// command returns a command of the AWS CLI for queues of the queue's account and Region.
func (q *queue) command(verb, options string) string {
	return "aws sqs " + verb + " --region " + q.Region + " " + options
}

// set returns the command that sets attributes of the queue.
func (q *queue) set(all map[string]string) string {
	b, err := json.Marshal(all)
	if err != nil {
		panic("doctor: an attribute is plain text: " + err.Error())
	}
	return q.command("set-queue-attributes", "--queue-url "+q.URL+" --attributes "+shellWord(string(b)))
}

// key judges the queue's key. EventBridge can't use the AWS managed key; whether it may use
// a customer managed key, only that key's policy says. If events have arrived, it may.
func (q answered) key(ctx context.Context) finding {
	f := judgeKey(q.attribute("KmsMasterKeyId"), q.attribute("SqsManagedSseEnabled") == "true", q.Region)
	if f.status == Fail {
		f.fix = q.set(map[string]string{"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"})
	}
	if facts, err := q.machine.state(); f.status == Unknown && err == nil {
		for scope := range facts.pipelines {
			if q.machine.proven(scope) {
				return fine("events come through with the key %s", q.attribute("KmsMasterKeyId"))
			}
		}
	}
	return f
}

func judgeKey(key string, managed bool, region string) finding {
	switch {
	case key == "" && managed:
		return fine("SQS's own encryption")
	case key == "":
		return fine("not encrypted")
	case key == "alias/aws/sqs", strings.HasSuffix(key, ":alias/aws/sqs"):
		return finding{Fail, "alias/aws/sqs encrypts the queue: EventBridge and SNS may not use that key, so that no event arrives", ""}
	}
	return finding{Unknown, "can't tell whether EventBridge may use the key " + key + ": only its own policy says",
		`let the key's policy allow {"Service":"events.amazonaws.com"} kms:GenerateDataKey and kms:Decrypt, and us kms:Decrypt: aws kms get-key-policy --region ` + region + ` --policy-name default --key-id "$(aws kms describe-key --region ` + region + ` --query KeyMetadata.KeyId --output text --key-id ` + shellWord(key) + `)"`}
}

// How long messages should be kept: through a long weekend without the daemon.
const (
	keepGood  = 4 * 24 * time.Hour
	keepLeast = 24 * time.Hour
)

func (q answered) retention(ctx context.Context) finding {
	seconds, err := strconv.Atoi(q.attribute("MessageRetentionPeriod"))
	if err != nil {
		return finding{Unknown, "can't tell: the queue does not say", ""}
	}
	f := judgeRetention(time.Duration(seconds) * time.Second)
	if f.status != OK {
		f.fix = q.set(map[string]string{"MessageRetentionPeriod": "1209600"})
	}
	return f
}

func judgeRetention(d time.Duration) finding {
	if d >= keepGood {
		return fine("%.3g days", d.Hours()/24)
	}
	return finding{failIf(d < keepLeast), fmt.Sprintf("messages are kept for %.3g h: what comes while the daemon is down for longer is lost, and only the refresh finds it", d.Hours()), ""}
}

// delay judges how long the queue hides each message before it may be received: no alert
// comes before that.
func (q answered) delay(context.Context) finding {
	seconds, err := strconv.Atoi(q.attribute("DelaySeconds"))
	switch d := time.Duration(seconds) * time.Second; {
	case err != nil:
		return finding{Unknown, "can't tell: the queue does not say", ""}
	case d > 0:
		return finding{failIf(d >= lateAfter), fmt.Sprintf("the queue hides each message for %s: every alert and every restore is late by that", d), q.set(map[string]string{"DelaySeconds": "0"})}
	}
	return fine("at once")
}

// There is a warning if manyWaiting messages wait, or if a message is older than lateAfter.
const (
	manyWaiting = 1000
	lateAfter   = 5 * time.Minute
)

// backlog judges how many messages wait. The age of the oldest comes from the daemon,
// because SQS states it only with a receive, which would hide the message from the daemon.
func (q answered) backlog(ctx context.Context) finding {
	waiting, err := strconv.Atoi(q.attribute("ApproximateNumberOfMessages"))
	if err != nil {
		return finding{Unknown, "can't tell: the queue does not say", ""}
	}
	text := fmt.Sprintf("%d waiting, %s being handled; ", waiting, q.attribute("ApproximateNumberOfMessagesNotVisible"))
	oldest, known := q.machine.oldest(ctx)
	if known {
		text += fmt.Sprintf("the oldest that the daemon here last saw was %s old", oldest.Round(time.Second))
	} else {
		text += "only CloudWatch has the age of the oldest (ApproximateAgeOfOldestMessage), or the daemon, where it runs"
	}
	if waiting >= manyWaiting || known && oldest > lateAfter {
		return finding{Warn, text + ": the daemon does not run, or does not keep up", "see that `flowkeeper run` runs and what it logs: journalctl -u flowkeeper"}
	}
	return fine("%s", text)
}

// sources returns what is known of those who use the queue. Of the scopes' rules it has those that
// send to the queue itself, not those that send to a topic or a bus.
func (q *queue) sources() queuepolicy.Sources {
	who, _ := q.own() // no error: else the check is skipped
	known := queuepolicy.Sources{All: true, ByRole: map[string]string{}, Ours: []string{q.Account}, Self: who.account, Us: inventory.RoleOfSession(who.arn)}
	for _, b := range q.machine.Config.LogFiles.Buckets { // these announce their files, or a topic of the same account does
		known.LogFiles = append(known.LogFiles, b.Owner)
	}
	var rules []rule
	for _, s := range q.senders {
		known.Ours = append(known.Ours, s.scope.Account)
		some, err := s.rules()
		known.All = known.All && err == nil // event-rule reports the error
		for _, r := range some {
			rules = append(rules, r)
			if r.next != nil {
				known.All = known.All && r.next.err == nil
				rules = append(rules, r.next.rules...)
			}
		}
	}
	for _, r := range rules {
		switch {
		case !r.enabled, aws.ToString(r.target.Arn) != q.arn():
		case aws.ToString(r.target.RoleArn) != "":
			known.ByRole[r.arn] = aws.ToString(r.target.RoleArn)
		default:
			known.Rules = append(known.Rules, r.arn)
		}
	}
	slices.Sort(known.Rules)
	known.Rules = slices.Compact(known.Rules)
	return known
}

// policy judges who may send to the queue, and who may receive from it.
func (q answered) policy(context.Context) finding {
	text, arn, known := q.attribute("Policy"), q.arn(), q.sources()
	v := queuepolicy.Judge(text, arn, known)
	f := finding{v.Status, v.Text, v.Fix}
	if f.fix == "" && (f.status == Fail || f.status == Warn) {
		f.fix = "let nobody but the rules, topics and buckets that bring the events send, as deploy/queue-policy.json does, and nobody from outside receive or change anything; keep what else the policy says"
		if better, ok := queuepolicy.Better(text, arn, known); ok {
			f.fix = q.set(map[string]string{"Policy": better})
		}
	}
	return f
}

// redrive is SQS's RedrivePolicy. The count may be a string.
type redrive struct {
	Target string      `json:"deadLetterTargetArn"`
	Max    json.Number `json:"maxReceiveCount"`
}

// How often a message should be received before it goes to the dead-letter queue: it is received
// again each time that the store or AWS fails.
const (
	receivesGood  = 10
	receivesLeast = 3
)

func (q answered) redrive(ctx context.Context) []finding {
	r, f := judgeRedrive(q.attribute("RedrivePolicy"))
	if f.status == Warn || f.status == Fail {
		target := cmp.Or(r.Target, q.arn()+"-dead")
		f.fix = q.set(map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"100"}`, target)})
		if r.Target == "" {
			f.fix = q.create(target) + " && " + f.fix
		}
	}
	if r.Target == "" {
		return findings(f)
	}
	bad, note := q.deadLetters(ctx, r.Target)
	f.detail += note
	switch {
	case bad.status == "":
		return findings(f)
	case f.status == OK:
		return findings(bad)
	}
	return []finding{f, bad}
}

// create returns the command that makes a queue.
func (q *queue) create(arn string) string {
	return q.command("create-queue", "--queue-name "+shellWord(inventory.ParseARN(arn).Resource))
}

func judgeRedrive(text string) (r redrive, f finding) {
	if text == "" {
		return r, finding{Warn, "there is no dead-letter queue: a message that can't be understood comes back until it is too old, and nobody can look at it then", ""}
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, finding{Unknown, "can't tell: the redrive policy can't be read", ""}
	}
	most, err := strconv.Atoi(string(r.Max))
	switch {
	case err != nil:
		return r, finding{Unknown, "can't tell: the redrive policy has no maxReceiveCount", ""}
	case most >= receivesGood:
		return r, fine("to %s after %d receives", inventory.ParseARN(r.Target).Resource, most)
	}
	return r, finding{failIf(most < receivesLeast), fmt.Sprintf("after %d receives a message is given up: a full disk or an outage of some minutes loses it", most), ""}
}

// deadLetters judges the dead-letter queue, which is in the queue's account and Region. bad is
// empty if nothing is wrong; note says what is not known.
func (q *queue) deadLetters(ctx context.Context, arn string) (bad finding, note string) {
	url := q.URL[:strings.LastIndex(q.URL, "/")+1] + inventory.ParseARN(arn).Resource
	attributes, err := attributesOf(ctx, q.api, url)
	switch n, _ := strconv.Atoi(attributes["ApproximateNumberOfMessages"]); { // 0 where there is no answer
	case gone(err):
		bad = finding{Fail, "the dead-letter queue " + arn + " is not there: what can't be handled is not moved", q.create(arn)}
	case err != nil:
		note = " (whether that queue exists is not known: allow sqs:GetQueueAttributes on it)"
	case n > 0:
		bad = finding{Warn, "what could not be handled is in the dead-letter queue: " + alert.Plural(n, "message"),
			"look: " + q.command("receive-message", "--queue-url "+shellWord(url)) + "; once the cause is mended, put it back: " + q.command("start-message-move-task", "--source-arn "+shellWord(arn))}
	}
	return bad, note
}
