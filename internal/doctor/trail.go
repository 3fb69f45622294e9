package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// trailAPI is the part of CloudTrail that is asked.
type trailAPI interface {
	DescribeTrails(context.Context, *cloudtrail.DescribeTrailsInput, ...func(*cloudtrail.Options)) (*cloudtrail.DescribeTrailsOutput, error)
	GetTrailStatus(context.Context, *cloudtrail.GetTrailStatusInput, ...func(*cloudtrail.Options)) (*cloudtrail.GetTrailStatusOutput, error)
	GetEventSelectors(context.Context, *cloudtrail.GetEventSelectorsInput, ...func(*cloudtrail.Options)) (*cloudtrail.GetEventSelectorsOutput, error)
}

// trail is what is known of one.
type trail struct {
	arn, home     string
	everywhere    bool // multi-Region
	logging       bool
	deliveryError string
	basic         []types.EventSelector
	advanced      []types.AdvancedEventSelector
	unheard       *finding // what could not be asked of it
}

const maxTrails = 20 // asked for in a Region

func trailOf(ctx context.Context, s *subject) finding {
	all, err := askTrails(ctx, cloudtrail.NewFromConfig(s.cfg), s.scope.Region)
	if err != nil {
		return unheard(err, "cloudtrail:DescribeTrails")
	}
	return judgeTrails(s.scope.Region, all)
}

// askTrails asks about the trails that cover the Region.
func askTrails(ctx context.Context, api trailAPI, region string) (all []trail, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneCheck)
	defer cancel()
	out, err := api.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	for _, t := range out.TrailList {
		x := trail{arn: aws.ToString(t.TrailARN), home: aws.ToString(t.HomeRegion), everywhere: aws.ToBool(t.IsMultiRegionTrail)}
		switch {
		case !x.covers(region):
			continue
		case len(all) == maxTrails:
			x.unheard = &finding{Unknown, fmt.Sprintf("can't tell: none of the %d trails that were asked about will do, and more cover this Region", maxTrails), ""}
			return append(all, x), nil
		}
		x.ask(ctx, api)
		all = append(all, x)
	}
	return all, nil
}

func (t trail) covers(region string) bool { return t.everywhere || t.home == region }

func (t *trail) ask(ctx context.Context, api trailAPI) {
	status, err := api.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: &t.arn})
	if err != nil {
		f := unheard(err, "cloudtrail:GetTrailStatus")
		t.unheard = &f
		return
	}
	t.logging, t.deliveryError = aws.ToBool(status.IsLogging), aws.ToString(status.LatestDeliveryError)
	selectors, err := api.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: &t.arn})
	if err != nil {
		f := unheard(err, "cloudtrail:GetEventSelectors")
		t.unheard = &f
		return
	}
	t.basic, t.advanced = selectors.EventSelectors, selectors.AdvancedEventSelectors
}

// judgeTrails: EventBridge hears of calls only while a trail that covers the
// Region logs them. One that will do is enough.
func judgeTrails(region string, all []trail) (best finding) {
	const silent = ": EventBridge hears of no deletion"
	if len(all) == 0 {
		return finding{Fail, "no trail covers this Region" + silent,
			"aws cloudtrail create-trail --name flowkeeper --is-multi-region-trail --s3-bucket-name YOUR-BUCKET --region " + region +
				" && aws cloudtrail start-logging --name flowkeeper --region " + region}
	}
	order := []Status{OK, Warn, Unknown, Fail} // a warning is of a trail that logs
	for _, t := range all {
		if f := t.judge(); best.status == "" || slices.Index(order, f.status) < slices.Index(order, best.status) {
			best = f
		}
	}
	if best.status == Fail {
		best.detail += silent
	}
	return best
}

func (t trail) judge() finding {
	name := t.arn[strings.LastIndex(t.arn, "/")+1:]
	switch {
	case t.unheard != nil:
		return *t.unheard
	case !t.logging:
		return finding{Fail, "the trail " + name + " does not log", "aws cloudtrail start-logging --name " + word(t.arn) + " --region " + t.home}
	}
	wanted, told := t.wants()
	switch {
	case !told:
		return finding{Unknown, "can't tell whether the selectors of the trail " + name + " take what is wanted: they use fields that are not known here", ""}
	case !wanted:
		return finding{Fail, "the trail " + name + " does not log management write events of EC2",
			"aws cloudtrail put-event-selectors --trail-name " + word(t.arn) + " --region " + t.home + ` --event-selectors '[{"ReadWriteType":"All","IncludeManagementEvents":true}]' (this replaces its other selectors: put them into the list)`}
	case t.deliveryError != "":
		return finding{Warn, fmt.Sprintf("the trail %s logs, but its last delivery to S3 failed: %s", name, t.deliveryError), "see the bucket's policy and key: aws cloudtrail get-trail-status --name " + word(t.arn) + " --region " + t.home}
	}
	return fine("%s logs", name)
}

// wants reports whether the trail logs DeleteFlowLogs and CreateFlowLogs; told
// is false where its selectors can't be understood.
func (t trail) wants() (wanted, told bool) {
	if len(t.advanced) == 0 {
		return basicWants(t.basic), true
	}
	wanted, told = true, true
	for _, event := range []string{"DeleteFlowLogs", "CreateFlowLogs"} {
		yes, known := anyWants(t.advanced, event)
		if !yes && known {
			return false, true
		}
		wanted, told = wanted && yes, told && known
	}
	return wanted, told
}

// basicWants: a trail without any selector logs every management event.
func basicWants(all []types.EventSelector) bool {
	if len(all) == 0 {
		return true
	}
	for _, s := range all {
		manages := s.IncludeManagementEvents == nil || *s.IncludeManagementEvents
		if manages && (s.ReadWriteType == "" || s.ReadWriteType == types.ReadWriteTypeAll || s.ReadWriteType == types.ReadWriteTypeWriteOnly) &&
			!slices.Contains(s.ExcludeManagementEventSources, "ec2.amazonaws.com") {
			return true
		}
	}
	return false
}

// anyWants: one selector that takes the event is enough.
func anyWants(all []types.AdvancedEventSelector, event string) (yes, known bool) {
	known = true
	for _, s := range all {
		takes, sure := advancedWants(s, event)
		if takes && sure {
			return true, true
		}
		known = known && sure
	}
	return false, known
}

// advancedWants: every field selector must take the record. known is false
// where those that can be judged do, and one names a field whose value the
// record does not show.
func advancedWants(s types.AdvancedEventSelector, event string) (yes, known bool) {
	record := map[string]string{"eventCategory": "Management", "readOnly": "false", "eventSource": "ec2.amazonaws.com",
		"eventName": event, "eventType": "AwsApiCall"}
	known = true
	for _, f := range s.FieldSelectors {
		value, is := record[aws.ToString(f.Field)]
		if is && !takes(f, value) {
			return false, true
		}
		known = known && is
	}
	return true, known
}

// takes: each operator that is there must hold; of its values, any.
func takes(f types.AdvancedFieldSelector, value string) bool {
	any := func(list []string, match func(value, pattern string) bool) bool {
		return slices.ContainsFunc(list, func(p string) bool { return match(value, p) })
	}
	same := func(v, p string) bool { return v == p }
	return (len(f.Equals) == 0 || any(f.Equals, same)) && (len(f.StartsWith) == 0 || any(f.StartsWith, strings.HasPrefix)) &&
		(len(f.EndsWith) == 0 || any(f.EndsWith, strings.HasSuffix)) &&
		!any(f.NotEquals, same) && !any(f.NotStartsWith, strings.HasPrefix) && !any(f.NotEndsWith, strings.HasSuffix)
}
