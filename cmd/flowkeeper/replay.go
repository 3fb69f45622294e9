package main

import (
	"context"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
)

func newReplayCommand(a *app) *cobra.Command {
	var send bool
	c := a.withJSON("one JSON object a line, for each record with a finding, or that is ignored (--send: the counts)", &cobra.Command{
		Use: "replay FILE...", Short: "Show what CloudTrail records mean, and what would be restored", Args: someArgs(1, 0, "a file with CloudTrail records (- for stdin)"),
		Long: `Read CloudTrail records, log files (.json, .json.gz) or queue messages and show
the findings: who deleted which flow logs, from where, with MFA or not. The
output of the AWS CLI is read as well: cloudtrail lookup-events, cloudtrail
get-query-results (CloudTrail Lake, with whole records), sqs receive-message.
If there is a state file, it also shows what would be restored. It changes
nothing. With --send the records with a finding are sent to queue.url instead,
as EventBridge sends them, and the daemon acts on them.

Only management events of the type AwsApiCall are acted on. If another record
names such a call (of CloudTrail Insights, data events, network activity), it
says what that record is, and why it is ignored.`,
		Example: `  flowkeeper replay 111122223333_CloudTrail_eu-west-1_20260301T1205Z_abc.json.gz

  # What CloudTrail remembers of the last 90 days
  aws cloudtrail lookup-events --output json --lookup-attributes \
    AttributeKey=EventName,AttributeValue=DeleteFlowLogs | flowkeeper replay -`,
		ValidArgsFunction: completeFiles("json", "gz"),
		RunE: func(c *cobra.Command, args []string) error {
			if send {
				return sendRecords(c.Context(), a, args)
			}
			return replayFiles(c.Context(), a, args)
		},
	})
	c.Flags().BoolVar(&send, "send", false, "send the records to queue.url instead")
	return c
}

func replayFiles(ctx context.Context, a *app, files []string) error {
	p, err := newPlanner(ctx, a)
	if err != nil {
		return err
	}
	if p.store != nil {
		defer p.store.Close()
	}
	elsewhere := 0 // findings about what no flow log here depends on
	r := recordReader{app: a, found: func(_ []byte, f detection.Finding) error {
		v, err := toFindingJSON(ctx, p, f)
		switch {
		case err != nil:
			return err
		case v.Kind == "tamper" && p.store != nil && len(v.Threatens) == 0:
			elsewhere++
			return nil
		case a.JSON:
			a.Object(v)
		default:
			printFinding(a, v)
		}
		return nil
	}}
	if err := r.read(ctx, files); err != nil {
		return err
	}
	if r.nothing() {
		return r.incomplete()
	}
	a.Note("%s read, %s", alert.Plural(r.records, "record"), alert.Plural(r.findings-elsewhere, "finding"))
	for _, left := range []struct {
		count     int
		what, why string
	}{
		{r.noRecords, "value", "left out: a digest of log files, or a notice of files that hold no records of calls"},
		{r.noCalls, "record", "not acted on: no management call of an AWS API"},
		{elsewhere, "record", "left out: about log groups, buckets, roles and the like that no flow log here depends on"},
	} {
		if left.count > 0 {
			a.Note("%s %s", alert.Plural(left.count, left.what), left.why)
		}
	}
	return r.incomplete()
}
