package scopes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"flowkeeper/inventory"
)

// TestI11ARefusedSignatureRepeatsNoHeaders: if AWS refuses a signature, its answer repeats the request, with the
// session token. The error keeps AWS's code and the sentence that says what is wrong, and not the request.
func TestI11ARefusedSignatureRepeatsNoHeaders(t *testing.T) {
	t.Parallel()
	const said = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
	w, queue := stage()
	key := w.User(ours, "flowkeeper", true)
	cfg := with(w, static(key))
	fleet := connect(t, cfg, nil, Account{ID: ours})
	w.RefuseKey(key.AccessKeyID, "SignatureDoesNotMatch", said+"\n\nThe Canonical String for this request should have been\n'POST\n/\n\nhost:sts.eu-west-1.amazonaws.com\nx-amz-security-token:IQoJtoken\n'\n")
	s := sourceOf(cfg)
	cfg = s.signs(cfg, s)
	calls := map[string]func() error{
		"queue": func() error {
			_, err := sqs.NewFromConfig(cfg).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue})
			return err
		},
		"verification": func() error { return list(t, fleet, ours) },
		"caller": func() error {
			_, err := fleet.Caller(t.Context(), inventory.Scope{Account: ours, Region: "eu-west-1"})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			err := call()
			var answer smithy.APIError
			if !errors.As(err, &answer) || answer.ErrorCode() != "SignatureDoesNotMatch" || answer.ErrorMessage() != said || !strings.Contains(err.Error(), said) {
				t.Error(err)
			}
			if text := fmt.Sprintf("%v %+v", err, answer); strings.Contains(text, "IQoJtoken") {
				t.Errorf("the token is in %s", text)
			}
		})
	}
}

// TestI11OutputOfACredentialProcessIsNotRepeated: if the SDK can't parse the output of a credential_process, its error
// repeats the output, which may contain keys. Neither our error nor the log may have them.
func TestI11OutputOfACredentialProcessIsNotRepeated(t *testing.T) {
	w := world()
	f := newFile(t, w.User(ours, "flowkeeper", true))
	if err := os.WriteFile(f.path, []byte("[default]\ncredential_process = echo '{\"Version\":1,\"SecretAccessKey\":\"wJalrSECRET\",'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cfg := loaded(t, w, logTo(&log))
	_, err := sqs.NewFromConfig(cfg).ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: aws.String("https://sqs.eu-west-1.amazonaws.com/" + ours + "/q")})
	if err == nil || strings.Contains(err.Error()+log.String(), "wJalrSECRET") || !strings.Contains(err.Error(), "process output") {
		t.Errorf("%v\n%s", err, log.String())
	}
}
