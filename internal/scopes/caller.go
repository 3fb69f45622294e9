package scopes

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"flowkeeper/inventory"
)

const callerTimeout = 20 * time.Second

// Caller asks AWS who signs the calls of a scope: the ARN that CloudTrail will
// name in their records. The credentials are those of EC2, and so known to be
// the scope's account's (I13).
func (f *Fleet) Caller(ctx context.Context, s inventory.Scope) (arn string, err error) {
	api, ok := f.EC2(s)
	client, real := api.(interface{ Options() ec2.Options })
	if !ok || !real {
		return "", fmt.Errorf("%s is not a configured scope", s)
	}
	o := client.Options()
	ctx, cancel := context.WithTimeout(ctx, callerTimeout)
	defer cancel()
	out, err := sts.New(sts.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, BaseEndpoint: o.BaseEndpoint, Retryer: o.Retryer, Logger: o.Logger,
	}).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("ask AWS who signs the calls in %s: %w", s, err)
	}
	return aws.ToString(out.Arn), nil
}
