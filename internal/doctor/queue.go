package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/internal/queueclient"
	"flowkeeper/inventory"
)

func (e *exam) askQueue(ctx context.Context) (map[string]string, error) {
	return attributesOf(ctx, e.queueAPI, e.queue.URL)
}

func attributesOf(ctx context.Context, api *sqs.Client, url string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (e *exam) ownFail() string {
	if _, err := e.own(); err != nil {
		return "our own credentials do not work"
	}
	return ""
}

func (e *exam) queueFail() string {
	if why := e.ownFail(); why != "" {
		return why
	}
	if _, err := e.attrs(); err != nil {
		return "the queue can't be asked"
	}
	return ""
}

// queueARN returns the ARN that the queue states, or the one that queue.url means.
func (e *exam) queueARN() string {
	if a, err := e.attrs(); err == nil && a["QueueArn"] != "" {
		return a["QueueArn"]
	}
	return fmt.Sprintf("arn:%s:sqs:%s:%s:%s", inventory.Partition(e.queue.Region), e.queue.Region, e.queue.Account, e.queue.Name)
}

// queueAnswers judges whether the queue returns its attributes. It receives nothing, which would
// hide messages from the daemon.
func (e *exam) queueAnswers(ctx context.Context) finding {
	a, err := e.attrs()
	host := queueclient.Host(e.queueAPI)
	if err == nil {
		return fine("%s at %s", a["QueueArn"], host)
	}
	if gone(err) {
		return finding{Fail, fmt.Sprintf("%s says that there is no queue %s in account %s, Region %s", host, e.queue.Name, e.queue.Account, e.queue.Region),
			fmt.Sprintf("aws sqs get-queue-url --queue-name %s --queue-owner-aws-account-id %s --region %s; set queue.url to the answer, or make the queue anew: step 1 of docs/setup.md#by-hand", e.queue.Name, e.queue.Account, e.queue.Region)}
	}
	if c := code(err); c == "" || strings.Contains(c, "Token") || strings.HasPrefix(c, "InvalidAddress") {
		return finding{Fail, fmt.Sprintf("asked at %s: %s", host, errorText(err)), "see that this machine reaches " + host + ", and that " + e.hostSetting() + " is right"}
	}
	f := unanswered(err)
	f.detail += "; asked at " + host
	return f
}

// hostSetting returns the setting that the host comes from.
func (e *exam) hostSetting() string {
	switch u, err := url.Parse(e.queue.URL); {
	case e.d.Config.AWS.EndpointURL != "":
		return "aws.endpoint_url"
	case err == nil && u.Host != queueclient.Host(e.queueAPI):
		return "the AWS environment (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, AWS_USE_FIPS_ENDPOINT)"
	}
	return "queue.url"
}

func gone(err error) bool {
	var missing *types.QueueDoesNotExist
	return errors.As(err, &missing) || strings.Contains(code(err), "NonExistentQueue") || code(err) == "QueueDoesNotExist"
}

// setAttribute returns the command that sets an attribute of the queue.
func (e *exam) setAttribute(name, value string) string {
	return e.setAttributes(map[string]string{name: value})
}

func (e *exam) setAttributes(all map[string]string) string {
	b, err := json.Marshal(all)
	if err != nil {
		panic("doctor: an attribute is plain text: " + err.Error())
	}
	return fmt.Sprintf("aws sqs set-queue-attributes --region %s --queue-url %s --attributes %s", e.queue.Region, e.queue.URL, shellWord(string(b)))
}

// queueKey judges the queue's key. EventBridge can't use the AWS managed key; whether it may use
// a customer managed key, only that key's policy says. If events have arrived, it may.
func (e *exam) queueKey(ctx context.Context, a map[string]string) finding {
	f := judgeKey(a["KmsMasterKeyId"], a["SqsManagedSseEnabled"] == "true", e.queue.Region)
	if f.status == Fail {
		f.fix = e.setAttributes(map[string]string{"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"})
	}
	if m, err := e.stateFacts(); f.status == Unknown && err == nil {
		for _, w := range m.pipelines {
			if judgePipeline(w, e.d.Config.Rehearsal.Schedule, e.d.Now()).status == OK {
				return fine("events come through with the key %s", a["KmsMasterKeyId"])
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

func (e *exam) queueRetention(ctx context.Context, a map[string]string) finding {
	seconds, err := strconv.Atoi(a["MessageRetentionPeriod"])
	if err != nil {
		return finding{Unknown, "can't tell: the queue does not say", ""}
	}
	f := judgeRetention(time.Duration(seconds) * time.Second)
	if f.status != OK {
		f.fix = e.setAttribute("MessageRetentionPeriod", "1209600")
	}
	return f
}

func judgeRetention(d time.Duration) finding {
	f := finding{Warn, fmt.Sprintf("messages are kept for %.3g h: what comes while the daemon is down for longer is lost, and only the refresh finds it", d.Hours()), ""}
	switch {
	case d < keepLeast:
		f.status = Fail
	case d >= keepGood:
		return fine("%.3g days", d.Hours()/24)
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

func (e *exam) queueRedrive(ctx context.Context, a map[string]string) []finding {
	r, f := judgeRedrive(a["RedrivePolicy"])
	target := r.Target
	if target == "" {
		target = e.queueARN() + "-dead"
	}
	if f.status == Warn || f.status == Fail {
		f.fix = e.setAttribute("RedrivePolicy", fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"100"}`, target))
		if r.Target == "" {
			name := partsOf(target).Resource
			f.fix = fmt.Sprintf("aws sqs create-queue --region %s --queue-name %s && ", e.queue.Region, shellWord(name)) + f.fix
		}
	}
	if r.Target == "" {
		return findings(f)
	}
	bad, note := e.deadLetters(ctx, r.Target)
	f.detail += note
	switch {
	case bad.status == "":
		return findings(f)
	case f.status == OK:
		return findings(bad)
	}
	return []finding{f, bad}
}

func judgeRedrive(text string) (r redrive, f finding) {
	if text == "" {
		return r, finding{Warn, "there is no dead-letter queue: a message that can't be understood comes back until it is too old, and nobody can look at it then", ""}
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, finding{Unknown, "can't tell: the redrive policy can't be read", ""}
	}
	most, err := strconv.Atoi(string(r.Max))
	f = finding{Warn, fmt.Sprintf("after %d receives a message is given up: a full disk or an outage of some minutes loses it", most), ""}
	switch {
	case err != nil:
		return r, finding{Unknown, "can't tell: the redrive policy has no maxReceiveCount", ""}
	case most < receivesLeast:
		f.status = Fail
	case most >= receivesGood:
		f = fine("to %s after %d receives", partsOf(r.Target).Resource, most)
	}
	return r, f
}

// deadLetters judges the dead-letter queue, which is in the queue's account and Region. bad is
// empty if nothing is wrong; note says what is not known.
func (e *exam) deadLetters(ctx context.Context, arn string) (bad finding, note string) {
	name := partsOf(arn).Resource
	url := e.queue.URL[:strings.LastIndex(e.queue.URL, "/")+1] + name
	a, err := attributesOf(ctx, e.queueAPI, url)
	switch {
	case err != nil && gone(err):
		return finding{Fail, "the dead-letter queue " + arn + " is not there: what can't be handled is not moved",
			"aws sqs create-queue --region " + e.queue.Region + " --queue-name " + shellWord(name)}, ""
	case err != nil:
		return finding{}, " (whether that queue exists is not known: allow sqs:GetQueueAttributes on it)"
	}
	if n, err := strconv.Atoi(a["ApproximateNumberOfMessages"]); err == nil && n > 0 {
		return finding{Warn, fmt.Sprintf("what could not be handled is in the dead-letter queue: %s", plural(n, "message", "messages")),
			"look: aws sqs receive-message --region " + e.queue.Region + " --queue-url " + shellWord(url) + "; once the cause is mended, put it back: aws sqs start-message-move-task --region " + e.queue.Region + " --source-arn " + shellWord(arn)}, ""
	}
	return finding{}, ""
}

const manyWaiting = 1000

// queueBacklog judges how many messages wait. The age of the oldest comes from the daemon,
// because SQS states it only with a receive, which would hide the message from the daemon.
func (e *exam) queueBacklog(ctx context.Context, a map[string]string) finding {
	waiting, err := strconv.Atoi(a["ApproximateNumberOfMessages"])
	if err != nil {
		return finding{Unknown, "can't tell: the queue does not say", ""}
	}
	flying, _ := strconv.Atoi(a["ApproximateNumberOfMessagesNotVisible"]) // there whenever the other is
	age, known := e.oldest(ctx)
	return judgeBacklog(waiting, flying, age, known)
}

// lateAfter is the age of a message from which on there is a warning.
const lateAfter = 5 * time.Minute

func judgeBacklog(waiting, flying int, oldest time.Duration, known bool) finding {
	const look = "see that `flowkeeper run` runs and what it logs: journalctl -u flowkeeper"
	text := fmt.Sprintf("%d waiting, %d being handled", waiting, flying)
	if known {
		text += fmt.Sprintf("; the oldest that the daemon here last saw was %s old", oldest.Round(time.Second))
	} else {
		text += "; only CloudWatch has the age of the oldest (ApproximateAgeOfOldestMessage), or the daemon, where it runs"
	}
	if waiting >= manyWaiting || known && oldest > lateAfter {
		return finding{Warn, text + ": the daemon does not run, or does not keep up", look}
	}
	return fine("%s", text)
}
