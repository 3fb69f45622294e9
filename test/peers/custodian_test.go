//go:build peers

package peers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// policy gives each VPC without a flow log one, as the documentation of the action set-flow-log shows. Custodian can't
// find the VPC of a deleted flow log by its event, so the policy looks at all VPCs each time that it is invoked.
var policy = map[string]any{
	"execution-options": map[string]any{"account_id": account},
	"policies": []any{map[string]any{
		"name": "vpc-flow-logs", "resource": "vpc", "mode": map[string]any{"type": "periodic", "schedule": "rate(1 day)", "role": "any"},
		"filters": []any{map[string]any{"type": "flow-logs", "enabled": false}},
		"actions": []any{map[string]any{"type": "set-flow-log", "attrs": map[string]any{
			"TrafficType": "ALL", "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::" + bucket, "LogFormat": format, "MaxAggregationInterval": 60,
		}}},
	}},
}

// startCustodian starts the handler of Custodian's Lambda function in a process that stays, like a warm
// function. To deliver an event, the test calls the handler with it.
func startCustodian(t *testing.T, w *world) func(event string) {
	dir := t.TempDir()
	config, err := json.Marshal(policy)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
	script, err := filepath.Abs("custodian.py")
	must(t, err)
	var events io.WriteCloser
	var answers io.ReadCloser
	errs := startPython(t, w.python, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Stdout = dir, nil
		cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+w.proxy, "AWS_DEFAULT_REGION="+region, "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "C7N_DEBUG_EVENT=no", "TMPDIR="+dir)
		var noIn, noOut error
		events, noIn = cmd.StdinPipe()
		answers, noOut = cmd.StdoutPipe()
		must(t, noIn)
		must(t, noOut)
	}, script)
	lines := bufio.NewScanner(answers)
	await := func() {
		if !lines.Scan() {
			t.Errorf("Cloud Custodian ended: %v\n%s", lines.Err(), errs)
		}
	}
	await()
	deliver := func(event string) {
		_, err := io.WriteString(events, event+"\n")
		must(t, err)
	}
	deliver(deletion("fl-00000000000000000")) // the first call also loads modules, so it is not measured
	return func(event string) {
		await() // the answer to the previous call, which came long ago
		deliver(event)
	}
}
