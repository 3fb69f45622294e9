package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

// worlds has the fake AWS of each running script, by its $WORK.
var worlds sync.Map

// sharedFile FILE (shared-file in scripts) moves the credentials from the environment into a shared credentials file.
func sharedFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shared-file FILE")
	}
	writeCredentials(ts, args[0], ts.Getenv("AWS_ACCESS_KEY_ID"), ts.Getenv("AWS_SECRET_ACCESS_KEY"))
	ts.Setenv("OLD_KEY", ts.Getenv("AWS_ACCESS_KEY_ID"))
	ts.Setenv("AWS_SHARED_CREDENTIALS_FILE", ts.MkAbs(args[0]))
	ts.Setenv("AWS_ACCESS_KEY_ID", "")
	ts.Setenv("AWS_SECRET_ACCESS_KEY", "")
}

func writeCredentials(ts *testscript.TestScript, path, key, secret string) {
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, secret)
	ts.Check(os.WriteFile(ts.MkAbs(path), []byte(text), 0o600))
}

// rotate FILE CALL... puts the key of another user into the credentials file, and lets AWS refuse the old key. It waits
// until AWS has received each call, such as ec2:DescribeFlowLogs, with the new key.
func rotate(ts *testscript.TestScript, neg bool, args []string) {
	w, ok := worlds.Load(ts.Getenv("WORK"))
	if neg || len(args) < 2 || !ok {
		ts.Fatalf("usage: rotate FILE CALL..., after aws and shared-file")
	}
	world := w.(*fakeawstest.World)
	next := world.User(scope.Account, "flowkeeper-rotated", true)
	writeCredentials(ts, args[0], next.AccessKeyID, next.SecretAccessKey)
	world.RefuseKey(ts.Getenv("OLD_KEY"), "InvalidClientTokenId", "The security token included in the request is invalid.")
	missing := args[1:]
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && len(missing) > 0; time.Sleep(20 * time.Millisecond) {
		asked := world.Asked()
		missing = slices.DeleteFunc(missing, func(call string) bool {
			service, operation, _ := strings.Cut(call, ":")
			return slices.Contains(asked, fakeawstest.Asked{ARN: next.ARN, Service: service, Operation: operation})
		})
	}
	if old := world.RefusedCalls(ts.Getenv("OLD_KEY")); len(missing) > 0 || old > 5 {
		ts.Fatalf("%d calls with the old key, want at most 5; not called with the new key: %v", old, missing)
	}
}
