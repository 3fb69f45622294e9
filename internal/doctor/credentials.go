package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"flowkeeper/inventory"
)

// identity is whose credentials these are, by AWS's answer.
type identity struct {
	account, arn string
	date         string    // of the answer, as AWS's clock has it
	seen         time.Time // when it came, by our clock
}

func whoAmI(ctx context.Context, cfg aws.Config, now func() time.Time) (who identity, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return identity{date: serverDate(err), seen: now()}, err
	}
	who = identity{account: aws.ToString(out.Account), arn: aws.ToString(out.Arn), seen: now()}
	if raw, is := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); is && raw.Response != nil {
		who.date = raw.Header.Get("Date")
	}
	return who, nil
}

// login is a scope whose credentials may not work.
type login struct{ *subject }

func (login) unusable() string { return "" }

// credentials judges whether a scope's credentials are of its account (I13). If no account is
// configured, it also fails if the state file guards other accounts than that of the
// credentials.
func (s login) credentials(context.Context) []finding {
	out := s.judge()
	who, err := s.identity()
	facts, _ := s.machine.state() // without a state file nothing is guarded
	if err != nil || s.machine.accounts > 0 || len(facts.guarded) == 0 || slices.ContainsFunc(facts.known, func(k inventory.Scope) bool { return k.Account == who.account }) {
		return out
	}
	guarded := strings.Join(facts.guarded, ", ")
	return append(out, finding{Fail, fmt.Sprintf("the state file guards account %s, these credentials act in %s: nothing of %s is restored", guarded, who.account, guarded),
		"give the service credentials of " + guarded + ", or configure it under accounts: with a role; if " + who.account + " is meant, give it a state.path of its own"})
}

func (s login) judge() []finding {
	who, err := s.identity()
	switch {
	case err != nil:
		return findings(finding{Fail, errorText(err), s.mend(err)})
	case who.account != s.scope.Account:
		return findings(finding{Fail, fmt.Sprintf("%s is of account %s, not %s: nothing it shows is believed", who.arn, who.account, s.scope.Account),
			"set accounts[].role_arn to a role of " + s.scope.Account + ", or give the service its credentials"})
	}
	out := findings(fine("%s", who.arn))
	if strings.HasSuffix(who.arn, ":root") {
		out = findings(finding{Warn, "these are the root user's: they may do everything, and only a service control policy binds them", leaveRoot})
	}
	if s.regions != nil {
		out = append(out, unanswered(s.regions))
	}
	return out
}

const leaveRoot = "make a role or user with deploy/iam-policy.json, and delete the root user's access key"

func (s login) mend(err error) string {
	c := code(err)
	switch {
	case s.account.RoleARN != "" && denied(err):
		return "let the trust policy of " + s.account.RoleARN + " name us (with accounts[].external_id, if it asks for one), and allow us sts:AssumeRole on it"
	case noCredentials(err):
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the instance a role; under systemd see the comments of the unit"
	case strings.Contains(c, "Expired"):
		return "these credentials have ended: renew them (aws sso login), or use an instance role, which renews itself"
	case c == "InvalidClientTokenId", c == "UnrecognizedClientException", c == "AuthFailure":
		return "AWS knows no such access key (or not in this Region: it may not be enabled): see `aws sts get-caller-identity --region " + s.scope.Region + "`"
	case c == "SignatureDoesNotMatch", strings.Contains(c, "Skew"), c == "RequestExpired":
		return "see that the secret key is whole, and that the clock is right (the next check)"
	case c == "":
		return "see that this machine reaches sts." + s.scope.Region + ".amazonaws.com: DNS, proxy, firewall, aws.endpoint_url"
	}
	return ""
}
