package system_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"flowkeeper/internal/detection"
)

// maxPattern is EventBridge's limit on a rule's pattern, in characters.
const maxPattern = 2048

// wanted are the calls that the pattern must match, by the service's name: those of every detection, and
// DeleteVpc, with which AWS removes flow logs.
func wanted() map[string][]string {
	out := map[string][]string{"ec2": {"DeleteVpc"}}
	for _, r := range detection.Rules() {
		service := strings.TrimSuffix(r.EventSource, ".amazonaws.com")
		for _, name := range r.EventNames {
			if !slices.Contains(out[service], name) {
				out[service] = append(out[service], name)
			}
		}
	}
	return out
}

func TestPatternHoldsWhatIsWantedOnly(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(patternFile)
	must(t, err)
	if n := len([]rune(string(text))); n > maxPattern {
		t.Errorf("the pattern has %d characters, want at most %d", n, maxPattern)
	}
	var pattern struct {
		Source     []string `json:"source"`
		DetailType []string `json:"detail-type"`
		Detail     struct {
			EventName []string `json:"eventName"`
		} `json:"detail"`
	}
	must(t, json.Unmarshal(text, &pattern))
	var sources, names []string
	for source, calls := range wanted() {
		sources = append(sources, "aws."+source)
		names = append(names, calls...)
	}
	sameSet(t, "sources", pattern.Source, sources)
	sameSet(t, "event names", pattern.Detail.EventName, names)
	sameSet(t, "detail types", pattern.DetailType, []string{bus})
}

func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s %v, want %v", what, got, want)
	}
}

// TestPatternMatches: LocalStack's implementation of EventBridge matches the pattern as we expect.
func TestPatternMatches(t *testing.T) {
	t.Parallel()
	w := connect(shared.Get(t))
	pattern, err := os.ReadFile(patternFile)
	must(t, err)
	matches := func(source, detailType, name string) bool {
		t.Helper()
		event := fmt.Sprintf(`{"version":"0","id":"1","detail-type":%q,"source":%q,"account":"111122223333",`+
			`"time":"2026-03-01T12:02:26Z","region":%q,"resources":[],"detail":{"eventName":%q}}`, detailType, source, region, name)
		out, err := w.events.TestEventPattern(t.Context(), &eventbridge.TestEventPatternInput{
			Event: &event, EventPattern: aws.String(string(pattern)),
		})
		must(t, err)
		return out.Result
	}
	for source, calls := range wanted() {
		for _, name := range calls {
			if !matches("aws."+source, bus, name) {
				t.Errorf("%s of %s does not match", name, source)
			}
		}
	}
	for _, other := range [][3]string{
		{"aws.ec2", bus, "RunInstances"},
		{"aws.ec2", bus, "DescribeFlowLogs"},
		{"aws.ec2", "EC2 Instance State-change Notification", "DeleteFlowLogs"},
		{"my.app", bus, "DeleteFlowLogs"},
	} {
		if matches(other[0], other[1], other[2]) {
			t.Errorf("the pattern matches %v, want no match", other)
		}
	}
}
