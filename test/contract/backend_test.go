package contract_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const region = "eu-west-1"

// backend is an AWS under test: how to reach it, and how to make what flow logs need but its API does not make.
type backend interface {
	endpoint() string
	httpClient() *http.Client
	network(t *testing.T, e *env) network
	removeNetwork(t *testing.T, e *env, n network)
	logGroup(t *testing.T, e *env, name string) // also makes the role that delivers to it: e.role()
	bucket(t *testing.T, e *env, name string)
	assumable(t *testing.T, roleARN, externalID string) // a role that anybody may assume
}

// network has one resource of each type that both backends support.
type network struct{ vpc, subnet, eni string }

// env is the account of one case, and the clients that act in it.
type env struct {
	backend
	account string
	ec2     *ec2.Client
	sqs     *sqs.Client
	sns     *sns.Client
	sts     *sts.Client
	s3      *s3.Client
}

// accounts is the last account number. It begins at random, because a LocalStack that
// already runs keeps the accounts of earlier runs.
var accounts = func() *atomic.Int64 {
	var a atomic.Int64
	a.Store(100_000_000_000 + rand.Int64N(800_000_000_000))
	return &a
}()

func newAccount() string { return fmt.Sprintf("%012d", accounts.Add(1)) }

func newEnv(t *testing.T, b backend) *env {
	t.Helper()
	account := newAccount()
	e := clientsFor(b, credentials.NewStaticCredentialsProvider(account, "any-secret", ""))
	e.account = account
	return e
}

// clientsFor makes clients for the credentials' account. An access key of
// twelve digits is the account itself, on every backend.
func clientsFor(b backend, creds aws.CredentialsProvider) *env {
	cfg := aws.Config{Region: region, Credentials: creds, BaseEndpoint: aws.String(b.endpoint()), HTTPClient: b.httpClient()}
	return &env{
		backend: b,
		ec2:     ec2.NewFromConfig(cfg),
		sqs:     sqs.NewFromConfig(cfg),
		sns:     sns.NewFromConfig(cfg),
		sts:     sts.NewFromConfig(cfg),
		s3:      s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
	}
}

// role is the delivery role of the case's account.
func (e *env) role() string { return "arn:aws:iam::" + e.account + ":role/flow-logs" }

// newBucket makes a bucket of a name that no other case has: names are global.
func (e *env) newBucket(t *testing.T) string {
	t.Helper()
	name := "flow-logs-" + e.account
	e.bucket(t, e, name)
	return name
}
