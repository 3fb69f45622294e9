package inventory

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TagDescriber is what NameTags asks of *ec2.Client.
type TagDescriber interface {
	DescribeTags(context.Context, *ec2.DescribeTagsInput, ...func(*ec2.Options)) (*ec2.DescribeTagsOutput, error)
}

// MostNameTags is how many resources NameTags takes: the most values of one filter.
const MostNameTags = confirmSize

// NameTags asks AWS for the tags Name of resources, by their IDs, at most MostNameTags. A resource
// without that tag, or with an empty one, is not in the answer. The names are text from outside.
func NameTags(ctx context.Context, api TagDescriber, ids []string) (map[string]string, error) {
	in := &ec2.DescribeTagsInput{MaxResults: aws.Int32(pageSize), Filters: []types.Filter{
		{Name: aws.String("key"), Values: []string{"Name"}},
		{Name: aws.String("resource-id"), Values: ids},
	}}
	names := map[string]string{}
	for {
		out, err := call(ctx, api.DescribeTags, in)
		if err != nil {
			return nil, fmt.Errorf("describe the tags Name of %d resources: %w", len(ids), err)
		}
		for _, t := range out.Tags {
			if aws.ToString(t.Key) == "Name" && aws.ToString(t.Value) != "" {
				names[aws.ToString(t.ResourceId)] = aws.ToString(t.Value)
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return names, nil
		}
		if aws.ToString(out.NextToken) == aws.ToString(in.NextToken) {
			return nil, errSameToken
		}
		in = &ec2.DescribeTagsInput{MaxResults: in.MaxResults, Filters: in.Filters, NextToken: out.NextToken}
	}
}
