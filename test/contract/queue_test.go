package contract_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func queueCases() []contractCase {
	return []contractCase{
		{"queue/send and receive", sendAndReceive},
		{"queue/hidden until visible again", visibility},
		{"queue/delayed", delayed},
		{"queue/visibility changed", changeVisibility},
		{"queue/receive count", receiveCount},
		{"queue/batch delete", batchDelete},
		{"queue/long poll wakes", longPoll},
		{"queue/unknown", unknownQueue},
		{"queue/attributes", queueAttributes},
	}
}

// newQueue makes a queue and returns its URL and ARN.
func newQueue(t *testing.T, e *env, name string, attributes map[string]string) (url, arn string) {
	t.Helper()
	out, err := e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	must(t, err)
	return aws.ToString(out.QueueUrl), "arn:aws:sqs:" + region + ":" + e.account + ":" + name
}

func send(t *testing.T, e *env, url, body string) {
	t.Helper()
	_, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	must(t, err)
}

// receive takes up to ten messages, waiting up to waitSeconds for the first.
func receive(t *testing.T, e *env, url string, waitSeconds, visibilitySeconds int32) []types.Message {
	t.Helper()
	out, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: waitSeconds, VisibilityTimeout: visibilitySeconds,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	must(t, err)
	return out.Messages
}

// receiveOne receives one message. It waits, because SQS does not promise to show a message at once.
func receiveOne(t *testing.T, e *env, url string, visibilitySeconds int32) types.Message {
	t.Helper()
	got := receive(t, e, url, 5, visibilitySeconds)
	if len(got) != 1 {
		t.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

func show(t *testing.T, e *env, url string, m types.Message) {
	t.Helper()
	_, err := e.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0,
	})
	must(t, err)
}

func count(t *testing.T, m types.Message) int {
	t.Helper()
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	must(t, err)
	return n
}

func sendAndReceive(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "plain", nil)
	body := `{"text":"Zoë & <co> ☂"}`
	send(t, e, url, body)
	m := receiveOne(t, e, url, 30)
	wantEqual(t, "body", aws.ToString(m.Body), body)
	if m.MessageId == nil || m.ReceiptHandle == nil || m.Attributes["SentTimestamp"] == "" {
		t.Errorf("message %+v, want ID, receipt handle and sent time", m)
	}
	_, err := e.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	must(t, err)
	wantEqual(t, "messages left", len(receive(t, e, url, 0, 30)), 0)
}

func visibility(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "hidden", nil)
	send(t, e, url, "a")
	first := receiveOne(t, e, url, 1)
	wantEqual(t, "visible while hidden", len(receive(t, e, url, 0, 1)), 0)
	second := receiveOne(t, e, url, 30) // waits until the second is over
	wantEqual(t, "message", aws.ToString(second.MessageId), aws.ToString(first.MessageId))
}

func delayed(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "delayed", map[string]string{"DelaySeconds": "2"})
	send(t, e, url, "a")
	wantEqual(t, "visible at once", len(receive(t, e, url, 0, 30)), 0)
	out, err := e.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	must(t, err)
	wantEqual(t, "delayed", out.Attributes["ApproximateNumberOfMessagesDelayed"], "1")
	wantEqual(t, "in flight", out.Attributes["ApproximateNumberOfMessagesNotVisible"], "0")
	wantEqual(t, "receive count", count(t, receiveOne(t, e, url, 30)), 1) // waits until the delay is over
}

func changeVisibility(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "change", nil)
	send(t, e, url, "a")
	m := receiveOne(t, e, url, 1)
	_, err := e.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 30,
	})
	must(t, err)
	wantEqual(t, "visible after it was extended", len(receive(t, e, url, 2, 30)), 0)
	show(t, e, url, m)
	receiveOne(t, e, url, 30)
}

func receiveCount(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "count", nil)
	send(t, e, url, "a")
	for want := 1; want <= 3; want++ {
		m := receiveOne(t, e, url, 30)
		wantEqual(t, "receive count", count(t, m), want)
		show(t, e, url, m)
	}
}

func batchDelete(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "batch", nil)
	var entries []types.SendMessageBatchRequestEntry
	for i := range 10 {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint("m", i))})
	}
	sent, err := e.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	must(t, err)
	wantEqual(t, "sent", len(sent.Successful), 10)

	got := map[string]string{} // body: receipt handle
	for len(got) < 10 {
		page := receive(t, e, url, 2, 60)
		if len(page) == 0 {
			t.Fatalf("received %d messages, want 10", len(got))
		}
		for _, m := range page {
			got[aws.ToString(m.Body)] = aws.ToString(m.ReceiptHandle)
		}
	}
	var deletes []types.DeleteMessageBatchRequestEntry
	for body, handle := range got {
		deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: aws.String(body), ReceiptHandle: aws.String(handle)})
	}
	deletes[9].ReceiptHandle = aws.String("not a handle")
	out, err := e.sqs.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: deletes})
	must(t, err)
	if len(out.Successful) != 9 || len(out.Failed) != 1 {
		t.Fatalf("%d deleted, failed %+v; want 9 and 1", len(out.Successful), out.Failed)
	}
	wantEqual(t, "failed entry", aws.ToString(out.Failed[0].Id), aws.ToString(deletes[9].Id))
	wantEqual(t, "failed code", aws.ToString(out.Failed[0].Code), "ReceiptHandleIsInvalid")
}

// longPoll: a message that arrives during a long poll ends the poll.
func longPoll(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "poll", nil)
	const wait = 20
	got := make(chan *sqs.ReceiveMessageOutput, 1)
	failed := make(chan error, 1)
	begun := time.Now()
	go func() {
		out, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: wait})
		if err != nil {
			failed <- err
			return
		}
		got <- out
	}()
	// A poll on an empty queue takes a second: by then the other one waits.
	empty, _ := newQueue(t, e, "poll-empty", nil)
	wantEqual(t, "messages in an empty queue", len(receive(t, e, empty, 1, 1)), 0)
	send(t, e, url, "wake")
	select {
	case err := <-failed:
		t.Fatal(err)
	case out := <-got:
		wantEqual(t, "messages", len(out.Messages), 1)
		if took := time.Since(begun); took >= wait*time.Second {
			t.Errorf("the poll lasted %s, its whole time", took)
		}
	}
}

func unknownQueue(t *testing.T, e *env) {
	url, _ := newQueue(t, e, "known", nil)
	_, err := e.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(strings.Replace(url, "known", "unknown", 1))})
	wantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
}

func queueAttributes(t *testing.T, e *env) {
	url, arn := newQueue(t, e, "attributes", map[string]string{"VisibilityTimeout": "77"})
	send(t, e, url, "a")
	out, err := e.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	must(t, err)
	wantEqual(t, "ARN", out.Attributes["QueueArn"], arn)
	wantEqual(t, "visibility", out.Attributes["VisibilityTimeout"], "77")
	wantEqual(t, "messages", out.Attributes["ApproximateNumberOfMessages"], "1")
}
