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

// trailAPI is what doctor calls of *cloudtrail.Client.
type trailAPI interface {
	DescribeTrails(context.Context, *cloudtrail.DescribeTrailsInput, ...func(*cloudtrail.Options)) (*cloudtrail.DescribeTrailsOutput, error)
	GetTrailStatus(context.Context, *cloudtrail.GetTrailStatusInput, ...func(*cloudtrail.Options)) (*cloudtrail.GetTrailStatusOutput, error)
	GetEventSelectors(context.Context, *cloudtrail.GetEventSelectorsInput, ...func(*cloudtrail.Options)) (*cloudtrail.GetEventSelectorsOutput, error)
}

// trail is what CloudTrail says of one trail.
type trail struct {
	arn, home     string
	logging       bool
	deliveryError string
	basic         []types.EventSelector
	advanced      []types.AdvancedEventSelector
	unknown       finding // what could not be asked of it; no status: nothing
}

const maxTrails = 20 // asked for in a Region

func (s *subject) trail(ctx context.Context) finding {
	all, err := askTrails(ctx, cloudtrail.NewFromConfig(s.cfg), s.scope.Region)
	if err != nil {
		return unanswered(err)
	}
	return judgeTrails(s.scope.Region, all)
}

// askTrails asks about the trails that cover the Region.
func askTrails(ctx context.Context, api trailAPI, region string) (all []trail, err error) {
	out, err := api.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	for _, t := range out.TrailList {
		x := trail{arn: aws.ToString(t.TrailARN), home: aws.ToString(t.HomeRegion)}
		switch {
		case !aws.ToBool(t.IsMultiRegionTrail) && x.home != region:
			continue
		case len(all) == maxTrails:
			x.unknown = finding{Unknown, fmt.Sprintf("can't tell: none of the %d trails that were asked about will do, and more cover this Region", maxTrails), ""}
			return append(all, x), nil
		}
		if err := x.ask(ctx, api); err != nil {
			x.unknown = unanswered(err)
		}
		all = append(all, x)
	}
	return all, nil
}

func (t *trail) ask(ctx context.Context, api trailAPI) error {
	status, err := api.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: &t.arn})
	if err != nil {
		return err
	}
	t.logging, t.deliveryError = aws.ToBool(status.IsLogging), aws.ToString(status.LatestDeliveryError)
	selectors, err := api.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: &t.arn})
	if err != nil {
		return err
	}
	t.basic, t.advanced = selectors.EventSelectors, selectors.AdvancedEventSelectors
	return nil
}

// judgeTrails returns the finding of the best trail. EventBridge receives calls only while a
// trail that covers the Region logs them; one such trail is enough.
func judgeTrails(region string, all []trail) (best finding) {
	const silent = ": EventBridge receives no deletions"
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
	command := func(verb, option string) string {
		return "aws cloudtrail " + verb + " --" + option + " " + shellWord(t.arn) + " --region " + t.home
	}
	switch writes := t.logsWrites(); {
	case t.unknown.status != "":
		return t.unknown
	case !t.logging:
		return finding{Fail, "the trail " + name + " does not log", command("start-logging", "name")}
	case writes == Unknown:
		return finding{Unknown, "can't tell: read the advanced event selectors of the trail " + name + ": do they take DeleteFlowLogs and CreateFlowLogs?", command("get-event-selectors", "trail-name")}
	case writes == Fail:
		return finding{Fail, "the trail " + name + " does not log management write events of EC2",
			command("put-event-selectors", "trail-name") + ` --event-selectors '[{"ReadWriteType":"All","IncludeManagementEvents":true}]' (this replaces its other selectors: put them into the list)`}
	case t.deliveryError != "":
		return finding{Warn, "the trail " + name + " logs, but its last delivery to S3 failed: " + t.deliveryError, "see the bucket's policy and key: " + command("get-trail-status", "name")}
	}
	return fine("%s logs", name)
}

// logsWrites judges whether the trail's selectors include write events of EC2. One selector that does
// is enough, and a trail without selectors logs every management event.
func (t trail) logsWrites() Status {
	if len(t.basic)+len(t.advanced) == 0 || slices.ContainsFunc(t.basic, basicTakes) {
		return OK
	}
	best := Fail
	for _, s := range t.advanced {
		if status := advancedTakes(s); best.Worse(status) {
			best = status
		}
	}
	return best
}

func basicTakes(s types.EventSelector) bool {
	management := s.IncludeManagementEvents == nil || *s.IncludeManagementEvents
	writes := s.ReadWriteType != types.ReadWriteTypeReadOnly
	return management && writes && !slices.Contains(s.ExcludeManagementEventSources, ec2Source)
}

const ec2Source = "ec2.amazonaws.com"

// advancedTakes judges advanced selectors of the forms that CloudTrail's console makes for
// management events: by category, by reads or writes, without some services. For any other it
// returns Unknown.
func advancedTakes(s types.AdvancedEventSelector) Status {
	status := OK
	for _, f := range s.FieldSelectors {
		name := aws.ToString(f.Field)
		onlyExcludes := len(f.NotEquals) > 0 && len(f.Equals)+len(f.StartsWith)+len(f.EndsWith)+len(f.NotStartsWith)+len(f.NotEndsWith) == 0
		switch {
		case name == "eventCategory" && !slices.Contains(f.Equals, "Management"),
			name == "readOnly" && !slices.Contains(f.Equals, "false"),
			name == "eventSource" && slices.Contains(f.NotEquals, ec2Source):
			return Fail
		case name == "eventCategory", name == "readOnly", name == "eventSource" && onlyExcludes:
		default:
			status = Unknown
		}
	}
	return status
}
