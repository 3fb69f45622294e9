package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

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
	target := r.Target
	if target == "" {
		target = q.arn() + "-dead"
	}
	if f.status == Warn || f.status == Fail {
		f.fix = q.setAttribute("RedrivePolicy", fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"100"}`, target))
		if r.Target == "" {
			name := partsOf(target).Resource
			f.fix = fmt.Sprintf("aws sqs create-queue --region %s --queue-name %s && ", q.Region, shellWord(name)) + f.fix
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
func (q *queue) deadLetters(ctx context.Context, arn string) (bad finding, note string) {
	name := partsOf(arn).Resource
	url := q.URL[:strings.LastIndex(q.URL, "/")+1] + name
	a, err := attributesOf(ctx, q.api, url)
	switch {
	case err != nil && gone(err):
		return finding{Fail, "the dead-letter queue " + arn + " is not there: what can't be handled is not moved",
			"aws sqs create-queue --region " + q.Region + " --queue-name " + shellWord(name)}, ""
	case err != nil:
		return finding{}, " (whether that queue exists is not known: allow sqs:GetQueueAttributes on it)"
	}
	if n, err := strconv.Atoi(a["ApproximateNumberOfMessages"]); err == nil && n > 0 {
		return finding{Warn, fmt.Sprintf("what could not be handled is in the dead-letter queue: %s", plural(n, "message", "messages")),
			"look: aws sqs receive-message --region " + q.Region + " --queue-url " + shellWord(url) + "; once the cause is mended, put it back: aws sqs start-message-move-task --region " + q.Region + " --source-arn " + shellWord(arn)}, ""
	}
	return finding{}, ""
}
