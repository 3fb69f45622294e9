package main

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

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

// pack FOLDER compresses the files in the folder whose names end in .gz.
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

// upload FOLDER BUCKET OWNER creates a bucket of the account OWNER in the script's AWS, and puts the files of the
// folder into it. It compresses those whose names end in .gz.
func upload(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: upload FOLDER BUCKET OWNER")
	}
	w := worldOf(ts)
	w.AddBucket(scope.Region, args[1])
	w.OwnBucket(args[1], args[2])
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
		w.PutObject(args[1], key, body)
		return nil
	}))
}

// refuse OPERATION lets the script's AWS deny the next call of the operation.
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
		ts.Fatalf("there is no AWS: the script must call aws first")
	}
	return world
}
