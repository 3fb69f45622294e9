package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

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

// setAttribute returns the command that sets an attribute of the queue.
func (q *queue) setAttribute(name, value string) string {
	return q.setAttributes(map[string]string{name: value})
}

func (q *queue) setAttributes(all map[string]string) string {
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
		f.fix = q.setAttributes(map[string]string{"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"})
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
		f.fix = q.setAttribute("MessageRetentionPeriod", "1209600")
	}
	return f
}

func judgeRetention(d time.Duration) finding {
	if d >= keepGood {
		return fine("%.3g days", d.Hours()/24)
	}
	return finding{failIf(d < keepLeast), fmt.Sprintf("messages are kept for %.3g h: what comes while the daemon is down for longer is lost, and only the refresh finds it", d.Hours()), ""}
}

// What there is a warning about: so many messages that wait, or one as old.
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
