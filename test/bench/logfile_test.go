package bench_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"flowkeeper/internal/logfile"
)

// trailRecord is a record of usual size and variety, as an organisation's trail has them.
func trailRecord(r *rand.Rand, n int) string {
	calls := []struct{ source, name, request string }{
		{"ec2", "DescribeInstances", `{"maxResults":1000,"instancesSet":{},"filterSet":{"items":[{"name":"tag:team","valueSet":{"items":[{"value":"payments"}]}}]}}`},
		{"sts", "AssumeRole", `{"roleArn":"arn:aws:iam::111122223333:role/service/reader","roleSessionName":"session-%d","durationSeconds":3600}`},
		{"kms", "Decrypt", `{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::data-%d/part"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`},
		{"s3", "GetBucketAcl", `{"bucketName":"data-%d","Host":"data.s3.eu-west-1.amazonaws.com","acl":""}`},
		{"iam", "GetRole", `{"roleName":"application-%d"}`},
		{"logs", "CreateLogStream", `{"logGroupName":"/aws/lambda/function-%d","logStreamName":"2026/03/01/[$LATEST]"}`},
		{"dynamodb", "DescribeTable", `{"tableName":"orders-%d"}`},
		{"iam", "CreatePolicyVersion", `{"policyArn":"arn:aws:iam::111122223333:policy/p-%d","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::data/*\"}]}","setAsDefault":true}`},
	}
	c := calls[r.IntN(len(calls))]
	account := 111122220000 + r.IntN(200)
	uuid := func() string {
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64()&(1<<48-1))
	}
	request := c.request
	if bytes.Contains([]byte(request), []byte("%d")) {
		request = fmt.Sprintf(request, r.IntN(5000))
	}
	role, session := r.IntN(300), r.Uint64()&(1<<40-1)
	at := fmt.Sprintf("2026-03-01T12:%02d:%02dZ", n/100%60, r.IntN(60))
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROA%016X:i-%010x","arn":"arn:aws:sts::%012d:assumed-role/application-%d/i-%010x","accountId":"%012d","accessKeyId":"ASIA%016X",`+
		`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA%016X","arn":"arn:aws:iam::%012d:role/application-%d","accountId":"%012d","userName":"application-%d"},"attributes":{"creationDate":"2026-03-01T11:%02d:%02dZ","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"}},`+
		`"eventTime":%q,"eventSource":"%s.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","sourceIPAddress":"10.%d.%d.%d","userAgent":"aws-sdk-go-v2/1.36.%d ua/2.1 os/linux lang/go#1.24 md/GOOS#linux md/GOARCH#amd64 api/%s#1.%d.0",`+
		`"requestParameters":%s,"responseElements":null,"requestID":%q,"eventID":%q,"readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"%012d","eventCategory":"Management",`+
		`"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"%s.eu-west-1.amazonaws.com"}}`,
		role, session, account, role, session, account, r.Uint64(), role, account, role, account, role, r.IntN(60), r.IntN(60),
		at, c.source, c.name, r.IntN(4), r.IntN(256), r.IntN(256), r.IntN(40), c.source, r.IntN(200), request, uuid(), uuid(), account, c.source)
}

// trailFile is a log file with one deletion in it that inflates to about size bytes. Its records repeat only after
// some megabytes, far beyond the 32 kB in which gzip finds repetitions.
func trailFile(b testing.TB, seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := io.WriteString(z, `{"Records":[`)
	must(b, err)
	var records []byte
	for n := 0; len(records) < min(size, 8<<20); n++ {
		records = append(append(records, trailRecord(r, n)...), ',')
	}
	for written := 0; written < size; written += len(records) {
		_, err := z.Write(records)
		must(b, err)
	}
	_, err = fmt.Fprintf(z, `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventID":"%d","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"content":"fl-0aaaaaaaaaaaaaaa1"}}}}]}`, seed)
	must(b, err)
	must(b, z.Close())
	return out.Bytes()
}

// BenchmarkLogFiles reads 20 log files that inflate to 25 MB each. It compares that with `gzip -dc` for the same
// files, one after the other, and with a plain loop over the standard library's gzip. If the machine has other
// work, CPU times say more than elapsed times.
func BenchmarkLogFiles(b *testing.B) {
	const files, size = 20, 25 << 20
	dir := disk(b)
	var names []string
	var stored int
	for n := range files {
		name := filepath.Join(dir, fmt.Sprintf("%d.json.gz", n))
		file := trailFile(b, uint64(n), size)
		stored += len(file)
		must(b, os.WriteFile(name, file, 0o600))
		names = append(names, name)
	}
	for b.Loop() {
		for _, cores := range []int{1, 2} {
			before := runtime.GOMAXPROCS(cores)
			theirs := timed(b, func() { all(names, 1, func(name string) { gunzip(b, name) }) })
			plain := timed(b, func() { all(names, cores, func(name string) { inflate(b, name) }) })
			ours := timed(b, func() { all(names, cores, func(name string) { scan(b, name, size) }) })
			runtime.GOMAXPROCS(before)
			b.Logf("%d files of %d MB (%.1f MB stored), %d at a time: gzip -dc (one at a time) %s; the standard library's gzip %s, %.2fx; Flowkeeper %s, %.2fx (by CPU time: %.2fx, %.2fx)",
				files, size>>20, float64(stored)/files/(1<<20), cores, theirs, plain, ratio(theirs.wall, plain.wall), ours, ratio(theirs.wall, ours.wall), ratio(theirs.cpu, plain.cpu), ratio(theirs.cpu, ours.cpu))
		}
	}
}

func gunzip(b testing.TB, name string) {
	must(b, exec.CommandContext(b.Context(), "sh", "-c", `exec gzip -dc "$0" > /dev/null`, name).Run())
}

func inflate(b testing.TB, name string) {
	f, err := os.Open(name)
	must(b, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(b, err)
	_, err = io.Copy(io.Discard, z)
	must(b, err)
}

func scan(b testing.TB, name string, size int64) {
	f, err := os.Open(name)
	must(b, err)
	defer f.Close()
	found := 0
	sum, err := logfile.Scan(f, logfile.Limits{}, func([]byte) error { found++; return nil })
	must(b, err)
	if found != 1 || sum.Inflated < size {
		b.Errorf("%d found in %+v", found, sum)
	}
}

// taken is what some work took.
type taken struct{ wall, cpu time.Duration }

func (t taken) String() string {
	return fmt.Sprintf("%.2f s (CPU %.2f s)", t.wall.Seconds(), t.cpu.Seconds())
}

// timed measures work of this process and of the child processes that it waits for.
func timed(b testing.TB, work func()) taken {
	cpu := func() (all time.Duration) {
		for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
			var u syscall.Rusage
			must(b, syscall.Getrusage(who, &u))
			all += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		return all
	}
	began, before := time.Now(), cpu()
	work()
	return taken{time.Since(began), cpu() - before}
}

// all reads the files, several at a time.
func all(names []string, atOnce int, read func(string)) {
	next := make(chan string)
	var readers sync.WaitGroup
	for range atOnce {
		readers.Go(func() {
			for name := range next {
				read(name)
			}
		})
	}
	for _, name := range names {
		next <- name
	}
	close(next)
	readers.Wait()
}

// BenchmarkLargeLogFile lets the real binary read one log file from S3 that inflates to a gigabyte, and measures
// how long that takes, and how much more memory.
func BenchmarkLargeLogFile(b *testing.B) {
	const trail = "org-trail"
	key := "AWSLogs/" + account + "/CloudTrail/" + region + "/2026/03/01/large.json.gz"
	s := newBed(b, 0)
	s.plant(1)
	s.world.AddBucket(region, trail)
	s.world.PutObject(trail, key, trailFile(b, 1, 1<<30))
	for b.Loop() {
		p := s.start(b, s.pager, 1, fmt.Sprintf("log_files: {buckets: [{name: %s, owner: %q}], max_bytes: 2GiB}\n", trail, account))
		idle, _ := p.memory(b)
		p.forgetPeak(b)
		cpu := p.cpu(b)
		began := time.Now()
		must(b, s.world.Send(s.queue, fmt.Sprintf(`{"s3Bucket":%q,"s3ObjectKey":[%q]}`, trail, key)))
		for end := time.Now().Add(3 * time.Minute); ; <-time.After(10 * time.Millisecond) {
			if visible, hidden := s.world.QueueDepth(s.queue); visible+hidden == 0 {
				break
			}
			if time.Now().After(end) {
				b.Fatal("not read within 3 minutes")
			}
		}
		took := time.Since(began)
		_, peak := p.memory(b)
		b.Logf("1 GB inflated: %.1f s (CPU %.1f s), %.0f MB at the peak, %.0f MB before: %.0f MB more", took.Seconds(), (p.cpu(b) - cpu).Seconds(), peak, idle, peak-idle)
		p.stop(b)
	}
}
