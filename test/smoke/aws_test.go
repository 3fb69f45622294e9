//go:build smokeaws

package smoke

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"flowkeeper/internal/scopes"
)

// TestAWSIsAsked asks the account to which the credentials of the environment belong.
func TestAWSIsAsked(t *testing.T) {
	o := Options{
		Run: strconv.FormatInt(time.Now().Unix(), 36), VPC: need(t, "FLOWKEEPER_SMOKE_VPC"), BucketARN: strings.TrimSuffix(need(t, "FLOWKEEPER_SMOKE_BUCKET_ARN"), "/"),
		Resources: strings.FieldsFunc(os.Getenv("FLOWKEEPER_SMOKE_RESOURCES"), func(c rune) bool { return c == ',' || c == ' ' }),
		LogGroup:  os.Getenv("FLOWKEEPER_SMOKE_LOG_GROUP"), Role: os.Getenv("FLOWKEEPER_SMOKE_ROLE_ARN"), OtherVPC: os.Getenv("FLOWKEEPER_SMOKE_OTHER_VPC"),
		BadTag: os.Getenv("FLOWKEEPER_SMOKE_BAD_TAG"), DeniedTag: os.Getenv("FLOWKEEPER_SMOKE_DENIED_TAG"), NeededTag: os.Getenv("FLOWKEEPER_SMOKE_NEEDED_TAG"),
		TaggedFlowLog: os.Getenv("FLOWKEEPER_SMOKE_TAGGED_FLOW_LOG"),
		Patience:      2 * time.Minute, Every: time.Second,
		Say: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	base, err := scopes.Base(ctx, scopes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if arn := os.Getenv("FLOWKEEPER_SMOKE_OTHER_ROLE_ARN"); arn != "" {
		o.OtherPrincipal = principal(ctx, t, base, arn)
	}
	if region := os.Getenv("FLOWKEEPER_SMOKE_OTHER_REGION"); region != "" {
		if region == base.Region {
			t.Fatalf("FLOWKEEPER_SMOKE_OTHER_REGION is %s, and so is the Region of the environment: name another one", region)
		}
		o.OtherRegion = ec2.NewFromConfig(base, func(c *ec2.Options) { c.Region = region })
	}
	o.Say("This run %s. It begins in ten seconds: Ctrl-C stops it.", o.Plan())
	select {
	case <-ctx.Done():
		t.Fatal("interrupted before the first call: no flow log was made")
	case <-time.After(10 * time.Second):
	}
	rows, err := Ask(ctx, ec2.NewFromConfig(base), o)
	o.Say("\n%s\nTags, IDs and names of yours are in it: look before you send it.", Table(rows))
	if err != nil {
		t.Error(err)
	}
	for _, x := range rows {
		if strings.HasPrefix(x.Answer, "NOT ") || strings.HasPrefix(x.Answer, "ANOTHER ") {
			t.Errorf("Flowkeeper relies on another answer: %s: %s", x.Question, x.Answer)
		}
	}
}

// principal assumes a role, which is to be of the same account: what it makes is deleted by the
// environment's credentials.
func principal(ctx context.Context, t *testing.T, base aws.Config, role string) EC2 {
	var accounts []string
	other := scopes.Account{RoleARN: role}.Reach(base)
	for _, c := range []aws.Config{base, other} {
		who, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, aws.ToString(who.Account))
	}
	if accounts[0] != accounts[1] {
		t.Fatalf("FLOWKEEPER_SMOKE_OTHER_ROLE_ARN is a role of the account %s: name one of the environment's account, %s", accounts[1], accounts[0])
	}
	return ec2.NewFromConfig(other)
}

func need(t *testing.T, name string) string {
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("set %s: FLOWKEEPER_SMOKE_VPC and FLOWKEEPER_SMOKE_BUCKET_ARN name a VPC, and a bucket that may take its flow logs; AWS credentials come from the environment (README.md)", name)
	}
	return v
}
