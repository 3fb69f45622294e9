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

// trailFile is a log file that inflates to about size bytes, with one deletion in it.
func trailFile(b testing.TB, seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := io.WriteString(z, `{"Records":[`)
	must(b, err)
	for n, written := 0, 0; written < size; n++ {
		record := trailRecord(r, n) + ","
		_, err := io.WriteString(z, record)
		must(b, err)
		written += len(record)
	}
	_, err = fmt.Fprintf(z, `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","eventID":"%d"}]}`, seed)
	must(b, err)
	must(b, z.Close())
	return out.Bytes()
}

// BenchmarkLogFiles reads 20 log files of 25 MB each, inflated, and compares that with what
// `gzip -dc` takes for the same files: one after the other, and two at a time. The two take turns.
func BenchmarkLogFiles(b *testing.B) {
	const files, size, rounds = 20, 25 << 20, 1
	dir := disk(b)
	var names []string
	var stored int64
	for n := range files {
		name := filepath.Join(dir, fmt.Sprintf("%d.json.gz", n))
		file := trailFile(b, uint64(n), size)
		stored += int64(len(file))
		must(b, os.WriteFile(name, file, 0o600))
		names = append(names, name)
	}
	ours := func(name string) {
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
	plain := func(name string) {
		f, err := os.Open(name)
		must(b, err)
		defer f.Close()
		z, err := gzip.NewReader(f)
		must(b, err)
		_, err = io.Copy(io.Discard, z)
		must(b, err)
	}
	theirs := func(name string) {
		must(b, exec.CommandContext(b.Context(), "sh", "-c", `gzip -dc "$0" > /dev/null`, name).Run())
	}
	for b.Loop() {
		for _, cores := range []int{1, 2} {
			before := runtime.GOMAXPROCS(cores)
			var took [3]time.Duration
			for range rounds {
				for n, read := range []func(string){theirs, plain, ours} {
					began := time.Now()
					all(names, cores*min(n, 1)+1-min(n, 1), read)
					took[n] += time.Since(began)
				}
			}
			runtime.GOMAXPROCS(before)
			mb := float64(files*size*rounds) / (1 << 20)
			b.Logf("%d core(s), %d files of %d MB (%.1f MB stored): gzip -dc %.0f MB/s, the standard library's gzip %.0f MB/s (%.2fx), Flowkeeper %.0f MB/s (%.2fx)", cores, files, size>>20, float64(stored)/files/(1<<20),
				mb/took[0].Seconds(), mb/took[1].Seconds(), ratio(took[0], took[1]), mb/took[2].Seconds(), ratio(took[0], took[2]))
		}
	}
}

// all reads the files, some at a time.
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
