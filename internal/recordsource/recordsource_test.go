package recordsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	one = "111122223333"
	two = "444455556666"
)

// day returns the time of a text such as "2026-03-01 12:00", UTC.
func day(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// logKeyOf returns the key of a log file that CloudTrail delivered at a time.
func logKeyOf(account, region string, at time.Time) string {
	return fmt.Sprintf("AWSLogs/o-abc/%s/CloudTrail/%s/%s/%s", account, region, at.Format("2006/01/02"), logNameOf(account, region, at))
}

func logNameOf(account, region string, at time.Time) string {
	return fmt.Sprintf("%s_CloudTrail_%s_%s_abc.json.gz", account, region, at.Format(minuteOfDelivery))
}

func TestClassify(t *testing.T) {
	t.Parallel()
	s := Selection{From: day("2026-03-01 12:00"), To: day("2026-03-01 14:00"), Accounts: []string{one}, Regions: []string{"eu-west-1"}}
	for _, c := range []struct {
		key       string
		want, all class // with the selection, and without
	}{
		{logKeyOf(one, "eu-west-1", day("2026-03-01 12:30")), logFile, logFile},
		{logKeyOf(two, "eu-west-1", day("2026-03-01 12:30")), outside, logFile},
		{logKeyOf(one, "eu-west-2", day("2026-03-01 12:30")), outside, logFile},
		{logKeyOf(one, "eu-west-1", day("2026-03-01 11:30")), outside, logFile},
		{logKeyOf(one, "eu-west-1", day("2026-03-01 14:59")), logFile, logFile}, // delivered an hour late
		{logKeyOf(one, "eu-west-1", day("2026-03-01 15:30")), outside, logFile},
		{"copies/" + logNameOf(one, "eu-west-1", day("2026-03-01 12:30")), logFile, logFile},
		{"copies/" + logNameOf(one, "eu-west-1", day("2026-02-01 12:30")), outside, logFile},
		{"AWSLogs/" + one + "/CloudTrail/eu-west-1/2026/03/01/renamed.json.gz", logFile, logFile},
		{"AWSLogs/" + one + "/CloudTrail/eu-west-1/2026/02/01/renamed.json.gz", outside, logFile},
		{"AWSLogs/" + one + "/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz", other, other},
		{one + "_CloudTrail-Digest_eu-west-1_trail_eu-west-1_20260301T120500Z.json.gz", other, other},
		{one + "_CloudTrail-Insight_eu-west-1_20260301T1205Z_abc.json.gz", other, other},
		{"AWSLogs/" + one + "/Config/eu-west-1/2026/3/1/ConfigSnapshot/x.json.gz", other, other},
		{"AWSLogs/" + one + "/CloudTrail/eu-west-1/2026/03/01/", other, other},
		{"events.json", jsonDoc, jsonDoc},
		{"events.ndjson.gz", jsonDoc, jsonDoc},
		{"events.jsonl", jsonDoc, jsonDoc},
		{"notes.txt", other, other},
		{"app.log.gz", other, other},
	} {
		t.Run(c.key, func(t *testing.T) {
			t.Parallel()
			if got := s.classify(c.key); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
			if got := (Selection{}).classify(c.key); got != c.all {
				t.Errorf("without a selection: %d, want %d", got, c.all)
			}
		})
	}
}

func TestSelectionOfRecords(t *testing.T) {
	t.Parallel()
	s := Selection{From: day("2026-03-01 12:00"), To: day("2026-03-01 14:00"), Accounts: []string{one}, Regions: []string{"eu-west-1"}}
	for _, c := range []struct {
		account, region string
		at              time.Time
		want            bool
	}{
		{one, "eu-west-1", s.From, true},
		{one, "eu-west-1", s.From.Add(-1), false},
		{one, "eu-west-1", s.To.Add(-1), true},
		{one, "eu-west-1", s.To, false},
		{two, "eu-west-1", s.From, false},
		{one, "eu-west-2", s.From, false},
		{"", "", time.Time{}, true}, // account, Region and time are unknown, so the record is kept
		{"", "eu-west-2", time.Time{}, false},
	} {
		t.Run(fmt.Sprintf("%s/%s %s", c.account, c.region, c.at), func(t *testing.T) {
			t.Parallel()
			if got := s.Has(c.account, c.region, c.at); got != c.want {
				t.Error(got)
			}
		})
	}
}

// found returns the names that Find yields, and its errors as "name: error".
func found(t *testing.T, f *Finder, args ...string) (out []string) {
	t.Helper()
	for file, err := range f.Find(t.Context(), args) {
		if err != nil {
			out = append(out, file.Name+": "+err.Error())
			continue
		}
		out = append(out, file.Name)
	}
	return out
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// write creates files whose content is their name.
func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	in := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	early, late := logKeyOf(one, "eu-west-1", day("2026-03-01 12:05")), logKeyOf(one, "eu-west-1", day("2026-03-02 12:05"))
	write(t, dir, early, late, "b.json", "a.ndjson", "notes.txt", "AWSLogs/"+one+"/Config/x.json.gz", "none/readme")
	write(t, elsewhere, "secret.json")
	for link, to := range map[string]string{"out.json": filepath.Join(elsewhere, "secret.json"), "out": elsewhere, "again.json": in("b.json")} {
		if err := os.Symlink(to, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	f := &Finder{}
	want(t, found(t, f, dir), in(early), in(late), in("a.ndjson"), in("b.json"))
	if f.Others.Load() != 6 { // notes, Config, readme, and three links
		t.Errorf("%d other files, want 6", f.Others.Load())
	}
	f = &Finder{Selection: Selection{From: day("2026-03-02 00:00")}}
	want(t, found(t, f, in("AWSLogs")), in(late))
	if f.Outside.Load() != 1 {
		t.Errorf("%d files outside the selection, want 1", f.Outside.Load())
	}
	want(t, found(t, &Finder{}, in("none")), in("none")+": "+errNoFolder.Error())
	want(t, found(t, &Finder{Selection: Selection{Accounts: []string{two}}}, in("AWSLogs"))) // files outside the selection are no error
	want(t, found(t, &Finder{}, in("out")), in("out/secret.json"))                           // the argument itself is a link, so it is followed
	want(t, found(t, &Finder{}, in("*.json")), in("again.json"), in("b.json"), in("out.json"))
	want(t, found(t, &Finder{}, in("*.parquet")), in("*.parquet")+": "+errNoMatch.Error())
	want(t, found(t, &Finder{}, in("[")), in("[")+": "+filepath.ErrBadPattern.Error())
	if got := found(t, &Finder{}, in("missing.json"), in("b.json")); len(got) != 2 || !strings.Contains(got[0], "no such file") || got[1] != in("b.json") {
		t.Errorf("%q", got)
	}

	// Somebody replaces a file by a symbolic link after Find has found it. Open must not follow the link out of the
	// folder.
	for file, err := range (&Finder{}).Find(t.Context(), []string{dir}) {
		if err != nil || file.Name != in("b.json") {
			continue
		}
		if err := errors.Join(os.Remove(in("b.json")), os.Symlink(filepath.Join(elsewhere, "secret.json"), in("b.json"))); err != nil {
			t.Fatal(err)
		}
		if r, err := file.Open(t.Context()); err == nil {
			r.Close()
			t.Error("Open follows a symbolic link out of the folder")
		}
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"s3://trail/AWSLogs/":    "trail AWSLogs/",
		"s3://trail":             "trail ",
		"s3://":                  "names no bucket",
		"s3:///AWSLogs":          "names no bucket",
		"s3:trail":               "write s3://bucket/prefix",
		"S3://trail":             "write s3://bucket/prefix",
		"s3://arn:aws:s3:::x":    "instead of its ARN",
		"s3://my bucket/x":       "no name of a bucket",
		"s3://trail/AWSLogs/*":   "has no *",
		"s3://trail/2026-0?/xyz": "has no *",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			bucket, prefix, err := ParseURL(in)
			if err != nil && !strings.Contains(err.Error(), want) || err == nil && bucket+" "+prefix != want {
				t.Errorf("%q %q %v", bucket, prefix, err)
			}
		})
	}
}

func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for k := range n {
			if !yield(k) {
				return
			}
		}
	}
}

// TestOrdered: Ordered reads several inputs at the same time, and yields the results in the order of the inputs.
func TestOrdered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var now, most atomic.Int64
		var got []int
		for out := range Ordered(t.Context(), 4, numbers(20), func(_ context.Context, in int, yield func(int) bool) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			time.Sleep(time.Duration(20-in) * time.Second) // earlier inputs take longer
			for k := range 3 * perInput {
				if !yield(in*1000 + k) {
					return
				}
			}
		}) {
			got = append(got, out)
		}
		if len(got) != 20*3*perInput || !slices.IsSorted(got) || most.Load() != 4 {
			t.Errorf("%d results, sorted: %t, %d at once", len(got), slices.IsSorted(got), most.Load())
		}
		if took := time.Since(begun); took > 70*time.Second { // 210 s one after the other
			t.Errorf("it took %s, want at most 70 s", took)
		}
	})
}

// TestOrderedEnds: after a break, and after the context has ended, no goroutine is left (goleak).
func TestOrderedEnds(t *testing.T) {
	t.Parallel()
	endless := func(_ context.Context, in int, yield func(int) bool) {
		for yield(in) {
		}
	}
	n := 0
	for range Ordered(t.Context(), 3, numbers(100), endless) {
		if n++; n == 10 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	for range Ordered(ctx, 3, numbers(100), endless) {
		if n++; n == 10 {
			cancel()
		}
	}
	cancel()
	waits := func(ctx context.Context, _ int, _ func(int) bool) { <-ctx.Done() }
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	for range Ordered(ctx, 3, numbers(100), waits) {
		t.Error("there is a result, though no input has any")
	}
}

func read(t *testing.T, f File) (string, error) {
	t.Helper()
	r, err := f.Open(t.Context())
	if err != nil {
		return "", err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	return string(body), err
}

func TestOtherWaysToNameABucketAreSuggested(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"arn:aws:s3:::trail":                                                "write s3://trail",
		"arn:aws-cn:s3:::trail/AWSLogs/":                                    "write s3://trail/AWSLogs/",
		"https://trail.s3.eu-west-1.amazonaws.com/AWSLogs/o-1/":             "write s3://trail/AWSLogs/o-1/",
		"https://a.trail.s3.amazonaws.com":                                  "write s3://a.trail",
		"https://trail.s3-eu-west-1.amazonaws.com/a":                        "write s3://trail/a",
		"https://trail.s3.dualstack.eu-west-1.amazonaws.com/a":              "write s3://trail/a",
		"https://trail.s3.cn-north-1.amazonaws.com.cn/a":                    "write s3://trail/a",
		"https://s3.eu-west-1.amazonaws.com/trail/a/b.json.gz":              "write s3://trail/a/b.json.gz",
		"HTTPS://s3.amazonaws.com/trail?X-Amz-Signature=secret":             "write s3://trail",
		"https://s3.console.aws.amazon.com/s3/buckets/trail":                unreadURL,
		"https://example.com/x.json":                                        unreadURL,
		"https://s3.eu-west-1.amazonaws.com/":                               unreadURL,
		"https://trail.s3.example.com/a":                                    unreadURL,
		"arn:aws:s3:eu-west-1:111122223333:accesspoint/trail/object/a.json": unreadARN,
	} {
		t.Run(arg, func(t *testing.T) {
			t.Parallel()
			if got := adviceFor(arg); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
	for _, arg := range []string{"-", "trail/x.json", "s3://trail/x", "./arn:aws:s3:::x", "https.json", "arn.json"} {
		if got := adviceFor(arg); got != "" {
			t.Errorf("%s: %q", arg, got)
		}
	}
}
