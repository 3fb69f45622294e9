package contract_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

func topicCases() []contractCase {
	return []contractCase{
		{"topic/notification envelope", func(t *testing.T, e *env) {
			topic, url := subscribed(t, e, nil)
			body := publish(t, e, topic, record)
			var got struct{ Type, TopicArn, Message, MessageId, Subject, Timestamp string }
			must(t, json.Unmarshal([]byte(body(url)), &got))
			wantEqual(t, "type", got.Type, "Notification")
			wantEqual(t, "topic", got.TopicArn, topic)
			wantEqual(t, "message", got.Message, record)
			if got.MessageId == "" || got.Timestamp == "" {
				t.Errorf("envelope %+v, want ID and time", got)
			}
		}},
		{"topic/raw delivery", func(t *testing.T, e *env) {
			topic, url := subscribed(t, e, map[string]string{"RawMessageDelivery": "true"})
			body := publish(t, e, topic, record)
			wantEqual(t, "body", body(url), record)
		}},
		{"topic/what the sink publishes", func(t *testing.T, e *env) {
			topic, url := subscribed(t, e, nil)
			mail := sink.NewTopic("mail", topic, e.sns)
			must(t, mail.Send(t.Context(), large()))
			var got struct{ Message, Subject string }
			must(t, json.Unmarshal([]byte(aws.ToString(receiveOne(t, e, url, 30).Body)), &got))
			var a alert.Alert
			must(t, json.Unmarshal([]byte(got.Message), &a))
			wantEqual(t, "subject", got.Subject, "Deleted: 1000 flow logs by user/mallory in 111122223333 eu-west-1")
			if a.ID != "alrt_large" || len(a.FlowLogs) != 1000 || a.TagsOmitted+a.FormatsOmitted+a.DetailsOmitted == 0 {
				t.Errorf("%s with %d flow logs: left out are the tags of %d, the formats of %d, the details of %d", a.ID, len(a.FlowLogs), a.TagsOmitted, a.FormatsOmitted, a.DetailsOmitted)
			}
		}},
		{"topic/the sink names what is missing", func(t *testing.T, e *env) {
			mail := sink.NewTopic("mail", "arn:aws:sns:"+region+":"+e.account+":nowhere", e.sns)
			err := mail.Send(t.Context(), large())
			var refused *sink.Error
			if !errors.As(err, &refused) || !refused.Refused || refused.Cause != "sns mail: NotFound: check topic_arn" {
				t.Errorf("%v", err)
			}
		}},
		{"topic/unknown", func(t *testing.T, e *env) {
			arn := "arn:aws:sns:" + region + ":" + e.account + ":nowhere"
			_, err := e.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: &arn, Message: aws.String("x")})
			wantCode(t, err, "NotFound")
		}},
	}
}

const record = `{"eventName":"DeleteFlowLogs","userAgent":"Zoë \"<x>\""}`

// large is an alert that is too large for one message.
func large() alert.Alert {
	a := alert.Alert{ID: "alrt_large", Kind: alert.Deletion, Level: alert.High, Account: "111122223333", Region: region,
		Actor: &alert.Actor{ARN: "arn:aws:iam::111122223333:user/mallory"}}
	for n := range 1000 {
		a.FlowLogs = append(a.FlowLogs, alert.FlowLog{FlowLogID: fmt.Sprintf("fl-%017x", n), Tags: map[string]string{"Name": strings.Repeat("Zoë ", 100)}})
	}
	a.Write()
	return a
}

// subscribed makes a topic that delivers to a queue, and a queue policy that allows that.
func subscribed(t *testing.T, e *env, attributes map[string]string) (topicARN, queueURL string) {
	t.Helper()
	topic, err := e.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("trail")})
	must(t, err)
	arn := aws.ToString(topic.TopicArn)
	queue := "arn:aws:sqs:" + region + ":" + e.account + ":subscriber"
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},`+
		`"Action":"sqs:SendMessage","Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, queue, arn)
	url, _ := newQueue(t, e, "subscriber", map[string]string{"Policy": policy})
	_, err = e.sns.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &arn, Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: attributes,
	})
	must(t, err)
	return arn, url
}

// publish sends one message; the returned function reads from a queue how it arrived.
func publish(t *testing.T, e *env, topic, message string) func(queueURL string) string {
	t.Helper()
	_, err := e.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: &message})
	must(t, err)
	return func(url string) string { return aws.ToString(receiveOne(t, e, url, 30).Body) }
}
