package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

// sources is the path of the repository. Scripts run in other folders.
var sources, _ = filepath.Abs(filepath.Join("..", "..")) // fails only where the working directory is gone

// fakeAWS (aws [OPERATION...] in scripts) starts a fake AWS for the script and sets the environment for it; $QUEUE is
// the URL of its queue. It has three flow logs: two that the seeded state file knows, of which one has other settings
// now, and a new one. It does not have fl-000000d4. It denies all calls of the given operations.
func fakeAWS(ts *testscript.TestScript, _ bool, args []string) {
	w := fakeawstest.New(fakeawstest.Options{})
	worlds.Store(ts.Getenv("WORK"), w)
	for _, operation := range args {
		w.Fail(operation, 1000, "AccessDenied", http.StatusForbidden)
	}
	at, stop, err := w.Listen()
	ts.Check(err)
	ts.Defer(func() { ts.Check(stop()) })
	user := w.User(scope.Account, "flowkeeper", true)
	policy, err := os.ReadFile(filepath.Join(sources, "deploy", "queue-policy.json"))
	ts.Check(err)
	_, dead := w.CreateQueue(scope.Account, scope.Region, "flowkeeper-dead", nil)
	_, _ = w.CreateQueue(scope.Account, scope.Region, "flowkeeper", map[string]string{
		"Policy": string(policy), "RedrivePolicy": `{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":"100"}`})
	for _, id := range []string{"fl-000000a1", "fl-000000b2", "fl-000000f6"} {
		w.Plant(scope.Account, scope.Region, fakeaws.FlowLog{ID: id, ResourceID: "vpc-" + id[9:], TrafficType: "ALL",
			LogDestinationType: "s3", LogDestination: "arn:aws:s3:::example/prefix", MaxAggregationInterval: 600, FileFormat: "plain-text"})
	}
	w.AddResource(scope.Account, scope.Region, "subnet-3")
	w.AddDestination("arn:aws:s3:::example")
	w.AddDestination("arn:aws:s3:::example/prefix")
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": at, "AWS_REGION": scope.Region,
		"AWS_ACCESS_KEY_ID": user.AccessKeyID, "AWS_SECRET_ACCESS_KEY": user.SecretAccessKey,
		"QUEUE": at + "/queue/" + scope.Region + "/" + scope.Account + "/flowkeeper",
	} {
		ts.Setenv(k, v)
	}
}

// organizationOf (organization in scripts) adds an organisation to the script's AWS. The account of $AWS_ACCESS_KEY_ID
// is a delegated administrator. This account and payments-prod have the role flowkeeper; search-prod and the management
// account do not. "organization leave ACCOUNT" removes an account from the organisation.
func organizationOf(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := worlds.Load(ts.Getenv("WORK"))
	if neg || !ok {
		ts.Fatalf("usage, after aws: organization [leave ACCOUNT]")
	}
	w := v.(*fakeawstest.World)
	if len(args) == 2 && args[0] == "leave" {
		w.RemoveAccount(args[1])
		return
	}
	w.AddOrganization("999988887777", "main")
	prod := w.AddUnit(w.AddUnit(fakeawstest.Root, "Workloads"), "Prod")
	w.AddAccount(fakeawstest.Root, scope.Account, "security")
	w.DelegateOrganization(scope.Account)
	w.AddAccount(prod, "222233334444", "payments-prod")
	w.AddAccount(prod, "333344445555", "search-prod")
	for _, id := range []string{scope.Account, "222233334444"} {
		w.AddRole("arn:aws:iam::"+id+":role/flowkeeper", "")
	}
}

// apart splits the script's AWS in two hosts: the one of $QUEUE, also in $QUEUEHOST, has only SQS, and the one of
// $AWS_ENDPOINT_URL all other services.
func apart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: apart")
	}
	world := ts.Getenv("AWS_ENDPOINT_URL")
	front := func(sqs bool) string {
		to, err := url.Parse(world)
		ts.Check(err)
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // the signature covers the host
		}}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.") != sqs {
				http.Error(w, "wrong host", http.StatusForbidden)
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		ts.Defer(s.Close)
		return s.URL
	}
	queue := front(true)
	ts.Setenv("QUEUE", strings.Replace(ts.Getenv("QUEUE"), world, queue, 1))
	ts.Setenv("QUEUEHOST", strings.TrimPrefix(queue, "http://"))
	ts.Setenv("AWS_ENDPOINT_URL", front(false))
}

// listen NAME sets the variable NAME to a free address of this machine.
func listen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// answers URL CODE waits until the URL answers with this status code.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers URL CODE")
	}
	last := "nothing"
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(args[0])
		if err != nil {
			continue
		}
		resp.Body.Close()
		if last = strconv.Itoa(resp.StatusCode); last == args[1] {
			return
		}
	}
	ts.Fatalf("%s answers %s, want %s", args[0], last, args[1])
}

// terminate sends SIGTERM to the background commands of the script. The script waits for their end by wait.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// hook CODE starts a webhook receiver that answers with this status code, and sets $HOOK to its URL.
func hook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hook CODE")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	ts.Defer(s.Close)
	ts.Setenv("HOOK", s.URL)
}
