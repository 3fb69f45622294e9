package remediate

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// class of an answer to CreateFlowLogs (I9; aws-facts.md, the table of
// answers).
type class int

const (
	created    class = iota // a flow log ID came back
	retry                   // passes by itself
	roleSlow                // retry for a few minutes, then blocked: IAM is slow
	blocked                 // needs a person
	noResource              // the resource is not there
	exists                  // FlowLogAlreadyExists: look who
	mismatch                // IdempotentParameterMismatch: look, then the next generation
	tagRefused              // create without our own tag
)

// answer is what one create came to.
type answer struct {
	class   class
	id      string // of the flow log created
	reason  string // of class blocked and roleSlow
	advice  string // what a person should do
	message string // AWS's own words, bounded

	differences []string // of a decoy
}

// WrongAccount is implemented by the error of credentials that act in another
// account than the scope's (I13).
type WrongAccount interface{ WrongAccount() bool }

// read classes what CreateFlowLogs answered. A failure may come as an error
// or as a 200 with Unsuccessful; an answer with neither is no success.
func read(out *ec2.CreateFlowLogsOutput, err error) answer {
	switch {
	case err != nil:
		return classifyError(err)
	case len(out.FlowLogIds) > 0:
		return answer{class: created, id: out.FlowLogIds[0]}
	case len(out.Unsuccessful) > 0 && out.Unsuccessful[0].Error != nil:
		e := out.Unsuccessful[0].Error
		return classify(aws.ToString(e.Code), aws.ToString(e.Message))
	}
	return answer{class: retry, message: "CreateFlowLogs answered with neither a flow log nor an error"}
}

// classifyError classes any error of an EC2 call.
func classifyError(err error) answer {
	var wrong WrongAccount
	if errors.As(err, &wrong) && wrong.WrongAccount() {
		return answer{class: blocked, reason: Credentials, message: bound(err.Error()),
			advice: "these credentials act in another account: fix accounts[].role_arn or the credentials of the service"}
	}
	var http *smithyhttp.ResponseError
	if errors.As(err, &http) && (http.HTTPStatusCode() >= 500 || http.HTTPStatusCode() == 429) {
		return answer{class: retry, message: bound(err.Error())}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return classify(api.ErrorCode(), api.ErrorMessage())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return answer{class: retry, message: "AWS did not answer in time"}
	}
	return answer{class: retry, message: bound(err.Error())}
}

// classify tells the class from AWS's code and message. Where the code says
// nothing (just "400"), the message must.
func classify(code, message string) answer {
	a := answer{message: bound(strings.TrimPrefix(code+": "+message, ": "))}
	low := strings.ToLower(code + " " + message)
	has := func(words ...string) bool {
		for _, w := range words {
			if !strings.Contains(low, w) {
				return false
			}
		}
		return true
	}
	block := func(reason, advice string) answer {
		a.class, a.reason, a.advice = blocked, reason, advice
		return a
	}
	switch {
	case has("flowlogalreadyexists"), has("existing flow log with the same"):
		a.class = exists
	case has("idempotentparametermismatch"):
		a.class = mismatch
	case isThrottle(code), transient(code):
		a.class = retry
	case has("notfound") && resourceCode(low):
		a.class = noResource
	case has("assume given iam role"):
		a.class, a.reason = roleSlow, Role
		a.advice = "let vpc-flow-logs.amazonaws.com assume the delivery role: its trust policy may name the old flow log's ID"
	case has("taglimitexceeded"), has("tag polic"), has("invalidtag"), has("too many tags"):
		a.class = tagRefused
	case has("flowlogslimitexceeded"):
		return block(Limit, "the account's limit of flow logs per resource is reached: delete what is not needed or ask AWS for more")
	case has("iam:passrole"):
		return block(Permission, "allow iam:PassRole on the delivery role, with iam:PassedToService vpc-flow-logs.amazonaws.com")
	case has("logs:createlogdelivery"):
		return block(Permission, "allow logs:CreateLogDelivery")
	case has("ec2:createtags"):
		return block(Permission, "allow ec2:CreateTags on vpc-flow-log/*")
	case has("access denied for logdestination"):
		return block(Destination, "the destination's own policy refuses delivery: let delivery.logs.amazonaws.com write there")
	case has("logdestination", "does not exist"), has("logdestination", "undeliverable"), has("bucket", "does not exist"):
		return block(Destination, "make the destination again under the same name, or let the flow log go: `flowkeeper inventory release ID`")
	case has("unauthorizedoperation"), has("accessdenied"), has("not authorized"):
		return block(Permission, "allow ec2:CreateFlowLogs, ec2:DescribeFlowLogs and ec2:CreateTags, and see that no service control policy denies them")
	case credentialCode(code):
		return block(Credentials, "AWS refuses these credentials: renew them")
	default:
		return block(Invalid, "AWS refuses these parameters: `flowkeeper restore ID --dry-run` shows the call")
	}
	return a
}

func isThrottle(code string) bool {
	return strings.Contains(code, "Throttl") || code == "RequestLimitExceeded" || code == "TooManyRequestsException" ||
		code == "EC2ThrottledException" || code == "SlowDown"
}

// transient codes come with 5xx, or mean that time will help.
func transient(code string) bool {
	switch code {
	case "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "InternalServerError", "RequestTimeout", "RequestExpired":
		return true
	}
	return strings.HasPrefix(code, "5")
}

// resourceCode finds the …NotFound codes of the resources that flow logs
// watch; AWS's spelling varies in case (aws-facts.md).
func resourceCode(low string) bool {
	for _, r := range []string{"invalidvpcid.", "invalidsubnetid.", "invalidnetworkinterfaceid.", "invalidtransitgateway", "invalidnatgatewayid.", "natgatewaynotfound", "invalidnatgateway"} {
		if strings.Contains(low, r) {
			return true
		}
	}
	return false
}

func credentialCode(code string) bool {
	switch code {
	case "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken":
		return true
	}
	return false
}

// bound keeps foreign words short enough for an alert (I12).
func bound(s string) string {
	const most = 500
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
