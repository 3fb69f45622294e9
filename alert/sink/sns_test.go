package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"pgregory.net/rapid"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

type publish func(*sns.PublishInput) error

func (p publish) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	return &sns.PublishOutput{}, p(in)
}

var _ Publisher = (*sns.Client)(nil)

const topic = "arn:aws:sns:eu-west-1:111122223333:alerts"

// published is the message that a topic gets for an alert.
func published(t *testing.T, arn string, a alert.Alert) (in *sns.PublishInput) {
	t.Helper()
	sink := NewTopic("mail", arn, publish(func(i *sns.PublishInput) error { in = i; return nil }))
	if err := sink.Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestTopicPublishesTheAlert(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Write()
	in := published(t, topic, a)
	want, _ := json.Marshal(a)
	if *in.TopicArn != topic || *in.Message != string(want) || *in.Subject != a.Title || in.MessageGroupId != nil {
		t.Errorf("%+v", in)
	}
}

func TestTopicFIFO(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	in := published(t, topic+".fifo", a)
	if *in.MessageGroupId != "111122223333.eu-west-1" || *in.MessageDeduplicationId != a.ID {
		t.Errorf("%+v", in)
	}
}

func TestI12SubjectIsPlainASCII(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "Flowkeeper alert", "  ": "Flowkeeper alert", "plain": "plain", "Grüße\n": "Gr??e",
		strings.Repeat("x", 99): strings.Repeat("x", 99), strings.Repeat("x", 100): strings.Repeat("x", 96) + "...",
	} {
		t.Run(fmt.Sprintf("%q", in), func(t *testing.T) {
			t.Parallel()
			if got := subject(in); got != want {
				t.Errorf("%q", got)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		s := subject(rapid.String().Draw(t, "title"))
		if len(s) == 0 || len(s) >= 100 || s[0] == ' ' {
			t.Fatalf("%q", s)
		}
		for _, b := range []byte(s) {
			if b < ' ' || b > '~' {
				t.Fatalf("%q", s)
			}
		}
	})
}

func answered(status int, code, message string) error {
	return &smithy.OperationError{ServiceID: "SNS", OperationName: "Publish", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: message},
	}}
}

func TestI11TopicErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err     error
		refused bool
		want    string
	}{
		"not authorized": {answered(403, "AuthorizationError", "User … is not authorized"), true, "sns mail: AuthorizationError: allow sns:Publish"},
		"no topic":       {answered(404, "NotFound", "Topic does not exist"), true, "check topic_arn"},
		"throttled":      {answered(400, "Throttling", "Rate exceeded"), false, "SNS limits the rate"},
		"key refused":    {answered(400, "KMSAccessDenied", ""), true, "kms:Decrypt"},
		"internal error": {answered(500, "InternalError", ""), false, "InternalError"},
		// AWS's message contains the canonical request, with the session token.
		"message with a session token": {answered(403, "SignatureDoesNotMatch", "x-amz-security-token:"+secretUser), true, "SignatureDoesNotMatch"},
		"proxy in the message":         {fmt.Errorf("Post %q: proxyconnect: %w", secretURL("https://example.invalid"), errors.New("x")), false, "sns mail: the request failed"},
		"no answer in time":            {context.DeadlineExceeded, false, "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := NewTopic("mail", topic, publish(func(*sns.PublishInput) error { return c.err })).Send(t.Context(), alerttest.Deletion())
			var e *Error
			if !errors.As(err, &e) || e.Refused != c.refused || !strings.Contains(e.Cause, c.want) {
				t.Errorf("%v: %+v", c.err, err)
				return
			}
			if leaks(e.Cause) {
				t.Error(e.Cause)
			}
		})
	}
}

// TestTopicReportsAnAnswerThatIsNotSNSs: nothing is sent again after a 2xx, but the error
// says that the answer was not one of SNS.
func TestTopicReportsAnAnswerThatIsNotSNSs(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"a page": `<html>log in</html>`, "cut off": `<PublishResponse><PublishResult>`} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		err := onTopic(t, url).Send(t.Context(), alerttest.Deletion())
		if !asError(err).Taken || !strings.HasPrefix(err.Error(), "sns mail: ") || strings.Contains(err.Error(), url) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
