package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

func gzipped(ts *testscript.TestScript, plain string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write([]byte(plain))
	ts.Check(err)
	ts.Check(z.Close())
	return out.Bytes()
}

// pack FOLDER: compresses the files in it whose names end in .gz.
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pack FOLDER")
	}
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".gz") {
			return err
		}
		return os.WriteFile(name, gzipped(ts, ts.ReadFile(name)), 0o600)
	}))
}

// upload FOLDER BUCKET: makes the bucket in the AWS of the script and puts the files in it; those
// whose names end in .gz compressed.
func upload(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: upload FOLDER BUCKET")
	}
	w := worldOf(ts)
	w.AddBucket(scope.Region, args[1])
	user := w.User(scope.Account, "uploader", true)
	client := s3.New(s3.Options{Region: scope.Region, UsePathStyle: true, HTTPClient: w.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, "")})
	folder := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body := []byte(ts.ReadFile(name))
		if strings.HasSuffix(name, ".gz") {
			body = gzipped(ts, string(body))
		}
		key := filepath.ToSlash(strings.TrimPrefix(name, folder+string(filepath.Separator)))
		_, err = client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(args[1]), Key: &key, Body: bytes.NewReader(body)})
		return err
	}))
}

// refuse OPERATION: AWS denies the next call of it.
func refuse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: refuse OPERATION")
	}
	worldOf(ts).Fail(args[0], 1, "AccessDenied", http.StatusForbidden)
}

func worldOf(ts *testscript.TestScript) *fakeawstest.World {
	w, _ := worlds.Load(ts.Getenv("WORK"))
	world, ok := w.(*fakeawstest.World)
	if !ok {
		ts.Fatalf("there is no AWS: say aws first")
	}
	return world
}
