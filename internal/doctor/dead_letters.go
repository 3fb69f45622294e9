package doctor

import (
	"cmp"
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
	if f.status == Warn || f.status == Fail {
		target := cmp.Or(r.Target, q.arn()+"-dead")
		f.fix = q.setAttribute("RedrivePolicy", fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"100"}`, target))
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
	return q.command("create-queue", "--queue-name "+shellWord(partsOf(arn).Resource))
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
		return r, fine("to %s after %d receives", partsOf(r.Target).Resource, most)
	}
	return r, finding{failIf(most < receivesLeast), fmt.Sprintf("after %d receives a message is given up: a full disk or an outage of some minutes loses it", most), ""}
}

// deadLetters judges the dead-letter queue, which is in the queue's account and Region. bad is
// empty if nothing is wrong; note says what is not known.
func (q *queue) deadLetters(ctx context.Context, arn string) (bad finding, note string) {
	url := q.URL[:strings.LastIndex(q.URL, "/")+1] + partsOf(arn).Resource
	attributes, err := attributesOf(ctx, q.api, url)
	switch n, _ := strconv.Atoi(attributes["ApproximateNumberOfMessages"]); { // 0 where there is no answer
	case gone(err):
		bad = finding{Fail, "the dead-letter queue " + arn + " is not there: what can't be handled is not moved", q.create(arn)}
	case err != nil:
		note = " (whether that queue exists is not known: allow sqs:GetQueueAttributes on it)"
	case n > 0:
		bad = finding{Warn, "what could not be handled is in the dead-letter queue: " + plural(n, "message", "messages"),
			"look: " + q.command("receive-message", "--queue-url "+shellWord(url)) + "; once the cause is mended, put it back: " + q.command("start-message-move-task", "--source-arn "+shellWord(arn))}
	}
	return bad, note
}
