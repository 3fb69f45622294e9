package watcher

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/internal/cloudtrail"
)

// noCalls are messages with records that name a watched call, but do not record one: CloudTrail gives them another
// category or type. The keys begin with the reason that is counted.
var noCalls = map[string]string{
	"insight": `{"Records":[{"eventVersion":"1.08","eventTime":"2026-03-01T12:05:00Z","awsRegion":"eu-west-1","eventID":"i","eventType":"AwsCloudTrailInsight","recipientAccountId":"111122223333",` +
		`"sharedEventID":"s","insightDetails":{"state":"Start","eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","insightType":"ApiCallRateInsight"},"eventCategory":"Insight"}]}`,
	"data":                      bridge(call(`"eventType":"AwsApiCall","eventCategory":"Data","managementEvent":false`)),
	"data, an old record":       bridge(call(`"eventType":"AwsApiCall","managementEvent":false`)),
	"network_activity":          bridge(call(`"eventType":"AwsVpceEvent","eventCategory":"NetworkActivity","errorCode":"VpceAccessDenied"`)),
	"network_activity, by type": bridge(call(`"eventType":"AwsVpceEvent"`)),
	"service_event":             bridge(call(`"eventType":"AwsServiceEvent","eventCategory":"Management"`)),
	"sign_in":                   bridge(call(`"eventType":"AwsConsoleSignIn","eventCategory":"Management"`)),
	"other, a type":             bridge(call(`"eventType":"AwsOther","eventCategory":"Management"`)),
	"other, a category":         notification(bridge(call(`"eventType":"AwsApiCall","eventCategory":"Other"`))),
}

// call is a record of DeleteFlowLogs with more fields.
func call(fields string) string { return `{` + fields + `,` + record[1:] }

// TestRecordsThatAreNoCallsAreAcknowledged: records that are no API calls are counted by the reason and acknowledged.
// They reach no handler, and do not fill the dead-letter queue.
func TestRecordsThatAreNoCallsAreAcknowledged(t *testing.T) {
	t.Parallel()
	for name, body := range noCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t)
			var c tally
			watch(t, q.api, q.url, handlerFunc(func(_ context.Context, m Message) error {
				return fmt.Errorf("handled %+v", m)
			}), meter(&c))
			q.send(t, body)
			eventually(t, "the message is dealt with", func() bool { return c.of(Ignored)+c.of(Handled)+c.of(Unparsable)+c.of(Failed) > 0 })
			reason, _, _ := strings.Cut(name, ",")
			if c.of(Ignored) != 1 || len(c.noCalls) != 1 || c.noCalls[cloudtrail.NoCall(reason)] != 1 {
				t.Fatalf("counted as %v, %v", c.counts, c.noCalls)
			}
			eventually(t, "acknowledged", func() bool { return q.world.Deleted(q.arn) == 1 })
		})
	}
}

// TestARecordOfAnUnknownKindIsLoggedOnce: AWS may introduce a new kind of record, and send deletions as that kind,
// which would not be handled. So the first record of an unknown kind is logged as a warning.
func TestARecordOfAnUnknownKindIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := New(Config{}, &calls{}, handlerFunc(func(context.Context, Message) error { return nil }), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	for _, name := range []string{"data", "insight", "service_event", "other, a type", "other, a category"} {
		m := types.Message{MessageId: aws.String(name), ReceiptHandle: aws.String("r"), Body: aws.String(noCalls[name])}
		if !w.processOrReturn(t.Context(), t.Context(), m) {
			t.Errorf("%s is not acknowledged", name)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "not known here") {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}

// TestManagementCallsOfEveryAgeAct: a record without a category or type is taken for a management call, because
// CloudTrail's old records have neither.
func TestManagementCallsOfEveryAgeAct(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"today's":               `"eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true`,
		"without category":      `"eventType":"AwsApiCall","managementEvent":true`,
		"without a type":        `"eventCategory":"Management"`,
		"without either":        `"eventVersion":"1.02"`,
		"odd":                   `"eventType":{},"eventCategory":[]`,
		"nulls":                 `"eventType":null,"eventCategory":null,"managementEvent":null`,
		"managementEvent alone": `"managementEvent":true`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Unwrap([]byte(bridge(call(fields))))
			if err != nil {
				t.Fatal(err)
			}
			if d := decode(c); len(d.records) != 1 || len(d.suspects)+len(d.noCalls)+d.bad != 0 || d.records[0].FlowLogIDs[0] != "fl-00000001" {
				t.Errorf("%+v", d)
			}
		})
	}
}
