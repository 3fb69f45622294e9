package fakeaws_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
)

// TestDescribeTags: DescribeTags returns the tag Name of exactly the resources that are asked for, in pages.
func TestDescribeTags(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	want := map[string]string{}
	var ids []string
	for n := range 7 {
		id := fmt.Sprint("vpc-", n)
		w.TagResource(acct, "eu-west-1", id, "owner", "x")
		w.TagResource(acct, "eu-west-1", id, "Name", fmt.Sprint("name ", n))
		w.TagResource(acct, "us-east-1", id, "Name", "elsewhere")
		ids, want[id] = append(ids, id), fmt.Sprint("name ", n)
	}
	w.TagResource(acct, "eu-west-1", "vpc-6", "Name", "")
	delete(want, "vpc-6")
	w.TagResource(acct, "eu-west-1", "vpc-other", "Name", "not asked for")
	for _, size := range []int{0, 2} {
		w.Configure(func(s *fakeawstest.EC2Settings) { s.PageSize = size })
		if got, err := inventory.NameTags(t.Context(), api, ids); err != nil || !maps.Equal(got, want) {
			t.Errorf("pages of %d: %v, %v; want %v", size, got, err, want)
		}
	}
	if got, err := inventory.NameTags(t.Context(), api, []string{"vpc-404"}); err != nil || len(got) > 0 {
		t.Errorf("names of a resource that does not exist: %v, %v", got, err)
	}
}

func TestDescribeTagsRefuses(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	for want, in := range map[string]*ec2.DescribeTagsInput{
		"InvalidParameterValue": {MaxResults: aws.Int32(4)},
		"FilterLimitExceeded":   {Filters: []types.Filter{{Name: aws.String("resource-id"), Values: make([]string, 201)}}},
		"DryRunOperation":       {DryRun: aws.Bool(true)},
	} {
		t.Run(want, func(t *testing.T) {
			if _, err := api.DescribeTags(t.Context(), in); code(err) != want {
				t.Errorf("%v instead of %s", err, want)
			}
		})
	}
	w.Deny("mallory", "ec2:DescribeTags")
	if _, err := inventory.NameTags(t.Context(), api, []string{"vpc-1"}); code(err) != "UnauthorizedOperation" {
		t.Errorf("denied: %v", err)
	}
}

// TestDescribeRegions: the fake lists Regions by their opt-in status. It refuses parameters and filters that it does
// not know, rather than to ignore them.
func TestDescribeRegions(t *testing.T) {
	t.Parallel()
	_, api, _ := testWorld(t)
	for status, want := range map[string]int{"opt-in-not-required": 2, "opted-in": 0} {
		got, err := api.DescribeRegions(t.Context(), &ec2.DescribeRegionsInput{Filters: []types.Filter{{Name: aws.String("opt-in-status"), Values: []string{status}}}})
		if err != nil || len(got.Regions) != want {
			t.Errorf("%s: %v, %v", status, got, err)
		}
	}
	for name, in := range map[string]*ec2.DescribeRegionsInput{
		"AllRegions":            {AllRegions: aws.Bool(true)},
		"RegionNames":           {RegionNames: []string{"eu-west-1"}},
		"DryRun":                {DryRun: aws.Bool(true)},
		"a filter of endpoints": {Filters: []types.Filter{{Name: aws.String("endpoint"), Values: []string{"ec2.eu-west-1.amazonaws.com"}}}},
		"a filter of no name":   {Filters: []types.Filter{{Values: []string{"opted-in"}}}},
		"a second filter":       {Filters: []types.Filter{{Name: aws.String("opt-in-status"), Values: []string{"opted-in"}}, {Name: aws.String("endpoint")}}},
		"201 values":            {Filters: []types.Filter{{Name: aws.String("opt-in-status"), Values: make([]string, 201)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := api.DescribeRegions(t.Context(), in); err == nil {
				t.Errorf("the parameter is ignored: answered %d Regions", len(got.Regions))
			}
		})
	}
}
