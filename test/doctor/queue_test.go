package doctor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/internal/doctor"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t, func(d *doctor.Doctor) { d.Config.Queue.URL += "-not" })
	r.expect(t, "queue", doctor.Fail, "there is no queue flowkeeper-not in account 111122223333", "get-queue-url --queue-name flowkeeper-not", "step 1 of docs/setup.md#by-hand")
	r.expect(t, "queue-policy", doctor.Skipped)
	f.Fail("GetQueueAttributes", 10, "AccessDeniedException", http.StatusForbidden)
	f.examine(t).expect(t, "queue", doctor.Unknown, "allow sqs:GetQueueAttributes")
}

// paste applies the command of a fix to the queue.
func paste(t *testing.T, cfg aws.Config, url, fix string) error {
	t.Helper()
	_, text, _ := strings.Cut(fix, " --queue-url "+url+" --attributes '")
	var attributes map[string]string
	must(t, json.Unmarshal([]byte(strings.TrimSuffix(text, "'")), &attributes))
	_, err := sqs.NewFromConfig(cfg).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes})
	return err
}

func TestQueuePolicy(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(t, "Policy", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}}`)
	// The fake has no EventBridge, so the doctor can't know which rule sends.
	f.examine(t).expect(t, "queue-policy", doctor.Fail, "everybody in the world", "deploy/queue-policy.json")
	owner := `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sqs:*","Resource":"*"},`
	_, rule, _ := strings.Cut(policy(t, "arn:aws:events:eu-west-1:111122223333:rule/ours"), "[")
	rule, _, _ = strings.Cut(rule, "{\n      \"Sid\": \"NobodyElseSends\"")
	f.set(t, "Policy", owner+strings.TrimRight(rule, ", \n")+"]}")
	x := f.examine(t).expect(t, "queue-policy", doctor.Warn, "every principal of account 111122223333")
	must(t, paste(t, f.cfg, f.url, x.Fix))
	f.examine(t).expect(t, "queue-policy", doctor.OK, "only arn:aws:events:eu-west-1:111122223333:rule/ours")
	f.set(t, "Policy", "")
	f.examine(t).expect(t, "queue-policy", doctor.Fail, "no policy")

	// Only the rule may send, and everybody may receive.
	f.set(t, "Policy", strings.Replace(policy(t, "arn:aws:events:eu-west-1:111122223333:rule/ours"), "[", `[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"},`, 1))
	x = f.examine(t).expect(t, "queue-policy", doctor.Fail, "may take deletions out of the queue, or change it: everybody in the world")
	must(t, paste(t, f.cfg, f.url, x.Fix))
	f.examine(t).expect(t, "queue-policy", doctor.OK, "only arn:aws:events:eu-west-1:111122223333:rule/ours")
}

func TestQueueRetention(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(t, "MessageRetentionPeriod", "3600")
	f.examine(t).expect(t, "queue-retention", doctor.Fail, "kept for 1 h", `"MessageRetentionPeriod":"1209600"`)
	f.set(t, "MessageRetentionPeriod", "172800")
	x := f.examine(t).expect(t, "queue-retention", doctor.Warn)
	must(t, paste(t, f.cfg, f.url, x.Fix))
	f.examine(t).expect(t, "queue-retention", doctor.OK, "14 days")
}

func TestQueueDelay(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.examine(t).expect(t, "queue-delay", doctor.OK, "at once")
	f.set(t, "DelaySeconds", "900")
	f.examine(t).expect(t, "queue-delay", doctor.Fail, "for 15m0s", `"DelaySeconds":"0"`)
	f.set(t, "DelaySeconds", "5")
	x := f.examine(t).expect(t, "queue-delay", doctor.Warn, "for 5s")
	must(t, paste(t, f.cfg, f.url, x.Fix))
	f.examine(t).expect(t, "queue-delay", doctor.OK, "at once")
}

func TestQueueRedrive(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	must(t, f.Send("arn:aws:sqs:eu-west-1:111122223333:flowkeeper-dead", "a message"))
	f.examine(t).expect(t, "queue-redrive", doctor.Warn, "in the dead-letter queue: 1 message", "start-message-move-task")
	f.set(t, "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:111122223333:flowkeeper-dead","maxReceiveCount":1}`)
	r := f.examine(t)
	x := r.expect(t, "queue-redrive", doctor.Fail, "after 1 receives")
	r.expect(t, "queue-redrive", doctor.Warn, "in the dead-letter queue")
	must(t, paste(t, f.cfg, f.url, x.Fix))
	if all := f.examine(t)["queue-redrive"]; len(all) != 1 || all[0].Status != doctor.Warn {
		t.Errorf("after the fix the results are %+v, want one warning", all)
	}
	f.set(t, "RedrivePolicy", "")
	f.examine(t).expect(t, "queue-redrive", doctor.Warn, "no dead-letter queue", "create-queue")

	f = newFake(t)
	_, err := sqs.NewFromConfig(f.cfg).DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: aws.String(f.url + "-dead")})
	must(t, err)
	f.examine(t).expect(t, "queue-redrive", doctor.Fail, "is not there")
}

func TestQueueBacklog(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for range 1000 {
		must(t, f.Send(queueARN, "a message"))
	}
	f.examine(t).expect(t, "queue-backlog", doctor.Warn, "1000 waiting", "does not run")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP x\nflowkeeper_queue_oldest_message_seconds 360\n")) // an error would fail the test anyway
	}))
	defer s.Close()
	f.examine(t, func(d *doctor.Doctor) { d.Config.HTTP.Listen = strings.TrimPrefix(s.URL, "http://") }).
		expect(t, "queue-backlog", doctor.Warn, "was 6m0s old")
	if visible, flying := f.QueueDepth(queueARN); visible != 1000 || flying != 0 {
		t.Errorf("%d messages are visible and %d in flight: the doctor must not receive any", visible, flying)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f, now := newFake(t), time.Now()
	scope := inventory.Scope{Account: acct, Region: region}
	for name, c := range map[string]struct {
		way  rehearse.PipelineHealth
		want doctor.Status
		says string
	}{
		"nothing":                  {rehearse.PipelineHealth{}, doctor.Unknown, "nothing was rehearsed"},
		"back":                     {rehearse.PipelineHealth{BackAt: now.Add(-time.Minute)}, doctor.OK, "the last one 1m0s ago"},
		"back, and one on its way": {rehearse.PipelineHealth{BackAt: now.Add(-time.Minute), Unanswered: 1, UnansweredSince: now}, doctor.OK, "the last one 1m0s ago"},
		"back long ago":            {rehearse.PipelineHealth{BackAt: now.Add(-5 * time.Hour)}, doctor.Unknown, "no rehearsal was made since"},
		"the first is on its way":  {rehearse.PipelineHealth{Unanswered: 1, UnansweredSince: now}, doctor.Unknown, "on its way"},
		"none came back":           {rehearse.PipelineHealth{Unanswered: 2, UnansweredSince: now.Add(-time.Hour)}, doctor.Fail, "no rehearsal ever came back"},
		"two did not come back":    {rehearse.PipelineHealth{BackAt: now.Add(-2 * time.Hour), Unanswered: 2, UnansweredSince: now.Add(-time.Hour)}, doctor.Fail, "2 rehearsals did not come back"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			remembers(t, path, func(tx *store.Tx) error { return tx.SavePipelineHealth(scope, c.way, nil) })
			f.examine(t, func(d *doctor.Doctor) {
				d.Config.State.Path, d.Now = path, func() time.Time { return now } // a fixed clock, so that a slow machine changes nothing
			}).expect(t, "round-trip", c.want, c.says)
		})
	}
}
