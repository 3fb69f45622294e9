package recordsource

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

// stage is an S3 with the bucket trail, in the fake AWS. It records its calls.
type stage struct {
	world  *fakeawstest.World
	client *s3.Client

	mu     sync.Mutex // guards what follows
	listed []string   // "prefix after" of each call of ListObjectsV2
	opened []string   // the key of each call of GetObject
}

func (s *stage) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, opts ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	s.mu.Lock()
	s.listed = append(s.listed, strings.TrimSpace(aws.ToString(in.Prefix)+" "+aws.ToString(in.StartAfter)))
	s.mu.Unlock()
	return s.client.ListObjectsV2(ctx, in, opts...)
}

func (s *stage) GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	s.mu.Lock()
	s.opened = append(s.opened, *in.Key)
	s.mu.Unlock()
	return s.client.GetObject(ctx, in, opts...)
}

func newStage(t *testing.T, keys ...string) *stage {
	t.Helper()
	s := &stage{world: fakeawstest.New(fakeawstest.Options{})}
	user := s.world.User(one, "reader", true)
	s.client = s3.New(s3.Options{Region: "eu-west-1", UsePathStyle: true, RetryMaxAttempts: 1, HTTPClient: s.world.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, "")})
	s.world.AddBucket("eu-west-1", "trail")
	for _, key := range keys {
		s.world.PutObject("trail", key, []byte(key))
	}
	return s
}

func (s *stage) finder(selection Selection) *Finder {
	return &Finder{Selection: selection, Bucket: func(_ context.Context, name string) (*Bucket, error) {
		return &Bucket{API: s, Name: name}, nil
	}}
}

// threeDays returns the keys of a log file for each hour of three days, of two accounts and two Regions, and of other
// objects that are usual in such buckets.
func threeDays() (keys []string) {
	for _, account := range []string{one, two} {
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			for hour := range 72 {
				keys = append(keys, logKeyOf(account, region, day("2026-03-01 00:05").Add(time.Duration(hour)*time.Hour)))
			}
		}
		keys = append(keys,
			"AWSLogs/o-abc/"+account+"/CloudTrail-Digest/eu-west-1/2026/03/01/digest.json.gz",
			"AWSLogs/o-abc/"+account+"/Config/eu-west-1/2026/3/1/snapshot.json.gz",
		)
	}
	return append(keys, "AWSLogs/o-abc/elsewhere/x.json", "copies/a copy+1.json", "copies/note.txt")
}

func TestBucketsAreListedByDays(t *testing.T) {
	t.Parallel()
	s := newStage(t, threeDays()...)
	s.world.SetListPage(5)
	all := found(t, s.finder(Selection{}), "s3://trail")
	if len(all) != 4*72+1 || !slices.IsSorted(all) || all[len(all)-1] != "s3://trail/copies/a copy+1.json" {
		t.Errorf("%d files, the last is %s", len(all), all[len(all)-1])
	}

	s.world.SetListPage(0)
	s.listed = nil
	f := s.finder(Selection{From: day("2026-03-02 00:00"), To: day("2026-03-02 03:00"), Accounts: []string{two}, Regions: []string{"us-east-1"}})
	var names []string
	for hour := range 4 { // an hour more than selected: CloudTrail may deliver a file late
		names = append(names, "s3://trail/"+logKeyOf(two, "us-east-1", day("2026-03-02 00:05").Add(time.Duration(hour)*time.Hour)))
	}
	want(t, found(t, f, "s3://trail/AWSLogs/"), names[:4]...)
	region := "AWSLogs/o-abc/" + two + "/CloudTrail/us-east-1/"
	want(t, s.listed, "AWSLogs/", "AWSLogs/o-abc/", "AWSLogs/o-abc/"+two+"/CloudTrail/", region+" "+region+"2026/03/01/")

	for _, prefix := range []string{region, region + "2026/03/02/", strings.TrimSuffix(region, "/"), region + "2026/03/0", "AWSLogs/o-abc/" + two} {
		want(t, found(t, s.finder(f.Selection), "s3://trail/"+prefix), names...)
	}
	// If all files are outside the selection, that is no error. If there are no log files, it is one.
	want(t, found(t, s.finder(f.Selection), "s3://trail/AWSLogs/o-abc/"+one+"/"))
	want(t, found(t, s.finder(Selection{From: day("2027-01-01 00:00")}), "s3://trail/"+region))
	for _, prefix := range []string{"AWSLogs/o-abc/" + two + "/Cloudtrail/", "AWSLogs/o-abc/" + two + "/Config/", "AWSLogs/o-abc/999900001111/", "AWSLogs/elsewhere/"} {
		want(t, found(t, s.finder(Selection{}), "s3://trail/"+prefix), "s3://trail/"+prefix+": "+errNoLogs.Error())
	}
	want(t, found(t, s.finder(f.Selection), "s3://trail/AWSLog/"), "s3://trail/AWSLog/: "+errNoKeys.Error())
	want(t, found(t, s.finder(Selection{}), "s3://trail/AWSLogs/o-abc/"+two+"/CloudTrail/eu-west-1/2027"),
		"s3://trail/AWSLogs/o-abc/"+two+"/CloudTrail/eu-west-1/2027: "+errNoKeys.Error())
}

// TestKeysThatXMLCannotHold: an attacker who may write to the bucket chooses keys with characters that XML can't
// contain. They must not make the listing unreadable.
func TestKeysThatXMLCannotHold(t *testing.T) {
	t.Parallel()
	s := newStage(t, "a\x01b.json", "a%2Fb.json", "dir\x02/c d+e.json")
	got := found(t, s.finder(Selection{}), "s3://trail/")
	want(t, got, "s3://trail/a\x01b.json", "s3://trail/a%2Fb.json", "s3://trail/dir\x02/c d+e.json")
}

func TestObjectsAreRead(t *testing.T) {
	t.Parallel()
	s := newStage(t, "copies/a copy+1.json")
	for file, err := range s.finder(Selection{}).Find(t.Context(), []string{"s3://trail/copies/"}) {
		if err != nil {
			t.Fatal(err)
		}
		if body, err := read(t, file); err != nil || body != "copies/a copy+1.json" {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// TestABucketInAnotherRegion: S3's answer says in which Region a bucket is, and the reader asks there.
func TestABucketInAnotherRegion(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.AddBucket("us-west-2", "far")
	s.world.PutObject("far", "x.json", []byte("far"))
	for file, err := range s.finder(Selection{}).Find(t.Context(), []string{"s3://far"}) {
		if err != nil {
			t.Fatal(err)
		}
		if body, err := read(t, file); err != nil || body != "far" {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// TestRefusalsNameThePermission: if S3 refuses a call, the error names the missing permission. The other arguments are
// still read.
func TestRefusalsNameThePermission(t *testing.T) {
	t.Parallel()
	s := newStage(t, threeDays()...)
	want(t, found(t, s.finder(Selection{}), "s3://missing/x", "s3://"),
		"s3://missing/x: there is no bucket missing (NoSuchBucket)", "s3://: it names no bucket: write s3://bucket/prefix")
	s.world.Fail("ListObjectsV2", 1, "AccessDenied", http.StatusForbidden)
	got := found(t, s.finder(Selection{}), "s3://trail/copies/", "s3://trail/copies/")
	want(t, got, "s3://trail/copies/: AccessDenied: injected: allow s3:ListBucket on arn:aws:s3:::trail", "s3://trail/copies/a copy+1.json")

	b := &Bucket{Name: "trail", Owner: two, Partition: func(context.Context) string { return "aws-cn" }}
	for _, c := range []struct{ code, message, action, want string }{
		{"AccessDenied", "Access Denied", "s3:GetObject", "allow s3:GetObject on arn:aws-cn:s3:::trail/key, and check that the bucket is of account " + two + "; if it is encrypted with a key of KMS, kms:Decrypt too"},
		{"AccessDenied", "User: x is not authorized to perform: kms:Decrypt on resource: y", "s3:GetObject", "allow kms:Decrypt with the key"},
		{"KMS.DisabledException", "it is disabled", "s3:GetObject", "allow kms:Decrypt with the key"},
		{"InvalidObjectState", "no", "s3:GetObject", "archived (Glacier)"},
		{"SlowDown", "Reduce your request rate", "s3:ListBucket", "SlowDown: Reduce your request rate"},
	} {
		t.Run(c.code+" "+c.message, func(t *testing.T) {
			t.Parallel()
			err := b.explain(t.Context(), &smithy.GenericAPIError{Code: c.code, Message: c.message}, c.action, "/key")
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.code) {
				t.Error(err)
			}
		})
	}
}

// TestARoleThatCannotBeAssumedIsNoPermissionOfTheBucket: if the role of the credentials can't be assumed, S3 is never
// asked. So the error must not advise people to change permissions on the bucket.
func TestARoleThatCannotBeAssumedIsNoPermissionOfTheBucket(t *testing.T) {
	t.Parallel()
	sts := &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole",
		Err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "not authorized to perform: sts:AssumeRole"}}
	err := (&Bucket{Name: "trail", Owner: two}).explain(
		t.Context(), &smithy.OperationError{ServiceID: "S3", OperationName: "ListObjectsV2", Err: sts}, "s3:ListBucket", "")
	const want = "STS AssumeRole: AccessDenied: not authorized to perform: sts:AssumeRole: S3 was not asked: check the credentials"
	if err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestTheOwnerIsChecked: a bucket is not read if another account than the configured one owns it: after the real bucket
// was deleted, anybody can create one of the same name.
func TestTheOwnerIsChecked(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x.json")
	s.world.OwnBucket("trail", two)
	for owner, ok := range map[string]bool{"": true, two: true, one: false} {
		t.Run(fmt.Sprintf("%q", owner), func(t *testing.T) {
			b := &Bucket{API: s, Name: "trail", Owner: owner}
			var listErr error
			for _, err := range b.list(t.Context(), "", "", "") {
				listErr = err
			}
			r, getErr := b.open(t.Context(), "x.json")
			if getErr == nil {
				r.Close()
			}
			if (listErr == nil) != ok || (getErr == nil) != ok {
				t.Errorf("owner %q: %v, %v", owner, listErr, getErr)
			}
		})
	}
}

// TestALostConnection: if the connection breaks within an object, the read ends with an error, not as if the file were
// short.
func TestALostConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x.json")
	s.world.CutObject("trail", "x.json", 2)
	for file, err := range s.finder(Selection{}).Find(t.Context(), []string{"s3://trail/"}) {
		if err != nil {
			t.Fatal(err)
		}
		if body, err := read(t, file); err == nil {
			t.Errorf("%q counts as the whole file", body)
		}
	}
}

// silent is an S3 that sends the first half of each object and then nothing more.
type silent struct{ S3 }

func (silent) GetObject(ctx context.Context, _ *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return &s3.GetObjectOutput{Body: &hanging{ctx: ctx, first: strings.NewReader("half")}}, nil
}

type hanging struct {
	ctx   context.Context
	first io.Reader
}

func (h *hanging) Read(p []byte) (int, error) {
	if n, _ := h.first.Read(p); n > 0 {
		return n, nil
	}
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}
func (*hanging) Close() error { return nil }

func TestAnObjectThatHangsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &Bucket{API: silent{}, Name: "trail"}
		begun := time.Now()
		r, err := b.open(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		body, err := io.ReadAll(r)
		if string(body) != "half" || err != errSilent || time.Since(begun) != maxSilence { //nolint:errorlint // it is not wrapped
			t.Errorf("%q, %v after %s", body, err, time.Since(begun))
		}
	})
}
