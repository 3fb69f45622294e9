package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"go.uber.org/goleak"

	"flowkeeper/internal/term"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDemo checks the text that a person reads. It is not parallel, because it sets TMPDIR for the whole process.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	if err := Run(t.Context(), &term.Output{Stdout: &out}, "test"); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		"12 flow logs of 6 resources", "DELETION Deleted: 5 flow logs", "ATTEMPT  Refused: deleting 2 flow logs", "MFA none: a long-term access key", "TAMPER   Tampering: StopLogging of main",
		"without a CloudTrail event", "ms after the call", "in 111122223333 eu-west-1\n", "12 of 12 flow logs are as they were",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("the output has colours, though it is no terminal")
	}
	rows := regexp.MustCompile(`(?m)^\S+ +(logs|s3|firehose) \S+ +fl-\S+ +\S+ +identical \(\d+\)$`).FindAllString(out.String(), -1)
	if len(rows) != 12 {
		t.Errorf("%d identical rows, want 12:\n%s", len(rows), &out)
	}
	empty(t, dir)
}

func TestDemoForMachines(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), &term.Output{Stdout: &out, JSON: true}, "test"); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	alerts, results := map[string]int{}, 0
	for line := range strings.Lines(out.String()) {
		var l struct {
			Story  string
			Alert  *struct{ Kind string }
			Result *row
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		switch {
		case l.Alert != nil:
			alerts[l.Alert.Kind]++
		case l.Result != nil:
			results++
			if !l.Result.Identical || l.Result.Compared < 12 {
				t.Errorf("%+v", *l.Result)
			}
		}
	}
	if alerts["deletion"] != 4 || alerts["restored"] != 4 || alerts["attempt"] != 1 || results != 12 {
		t.Errorf("%v, %d results", alerts, results)
	}
}

// TestInterrupted: if the demo is interrupted, at any moment, it leaves no goroutine (TestMain) and no file. It does
// not report that flow logs were not restored.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, at := range []string{"", "attack begins", "DELETION", "RESTORED", "five more", "ATTEMPT", "no event"} {
		ctx, cancel := context.WithCancel(t.Context())
		err := Run(ctx, &term.Output{Stdout: &interrupter{at: at, cancel: cancel}}, "test")
		cancel()
		if errors.Is(err, ErrNotRestored) {
			t.Errorf("at %q: an interrupted demo reports flow logs as not restored: %v", at, err)
		}
		empty(t, dir)
	}
}

// TestOutputCannotBeWritten: if the output can't be written, the demo ends with that error and
// leaves no file.
func TestOutputCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	err := Run(t.Context(), &term.Output{Stdout: closed{}}, "test")
	if !errors.Is(err, syscall.EPIPE) {
		t.Errorf("ended with %v", err)
	}
	empty(t, dir)
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// interrupter calls cancel when the text at is written. If at is empty, it does so at the first write.
type interrupter struct {
	mu     sync.Mutex
	at     string
	cancel func()
}

func (i *interrupter) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if strings.Contains(string(p), i.at) {
		i.cancel()
	}
	return len(p), nil
}

// empty fails if a folder has any file.
func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestCompareFindsDifferences: compare finds every kind of difference.
func TestCompareFindsDifferences(t *testing.T) {
	t.Parallel()
	base := func(change func(*types.FlowLog)) types.FlowLog {
		f := types.FlowLog{FlowLogId: aws.String("fl-1"), ResourceId: aws.String("vpc-1"), LogDestination: aws.String("arn:aws:s3:::b"), TrafficType: types.TrafficTypeAll,
			MaxAggregationInterval: aws.Int32(60), CreationTime: aws.Time(time.Now()), Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("a")}}}
		if change != nil {
			change(&f)
		}
		return f
	}
	before := []types.FlowLog{base(nil)}
	same := base(func(f *types.FlowLog) {
		f.FlowLogId, f.CreationTime = aws.String("fl-2"), aws.Time(time.Now().Add(time.Hour))
		f.Tags = append(f.Tags, types.Tag{Key: aws.String("flowkeeper:restored-from"), Value: aws.String("fl-1")})
	})
	if r := compare(before, []types.FlowLog{same}); !r[0].Identical || r[0].After != "fl-2" {
		t.Errorf("%+v", r[0])
	}
	for name, after := range map[string][]types.FlowLog{
		"no flow log":   nil,
		"two flow logs": {same, same},
		"interval":      {base(func(f *types.FlowLog) { f.MaxAggregationInterval = aws.Int32(600) })},
		"traffic":       {base(func(f *types.FlowLog) { f.TrafficType = types.TrafficTypeReject })},
		"role":          {base(func(f *types.FlowLog) { f.DeliverLogsPermissionArn = aws.String("arn:aws:iam::1:role/x") })},
		"tag":           {base(func(f *types.FlowLog) { f.Tags[0].Value = aws.String("b") })},
		"no tag":        {base(func(f *types.FlowLog) { f.Tags = nil })},
		"options":       {base(func(f *types.FlowLog) { f.DestinationOptions = &types.DestinationOptionsResponse{} })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := compare(before, after); r[0].Identical || len(r[0].Differences) == 0 {
				t.Errorf("%+v", r[0])
			}
		})
	}
}
