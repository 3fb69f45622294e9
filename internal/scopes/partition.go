package scopes

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"flowkeeper/inventory"
)

// Partition asks AWS whose credentials these are, and returns the partition of that ARN: aws,
// aws-cn, aws-us-gov and others.
func Partition(ctx context.Context, base aws.Config) (string, error) {
	_, text, err := whoAmI(ctx, Account{}.Reach(base))
	if err != nil {
		return "", fmt.Errorf("ask AWS whose credentials these are: %w", Plain(err))
	}
	a, err := arn.Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the partition of the credentials' ARN: %w", err)
	}
	return a.Partition, nil
}

// LikelyPartition is Partition, or what the Region's name says where AWS does not answer.
func LikelyPartition(ctx context.Context, base aws.Config) string {
	p, err := Partition(ctx, base)
	if err != nil {
		return inventory.Partition(base.Region)
	}
	return p
}
