package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/watcher"
)

func newReplayCommand(a *app) *cobra.Command {
	var send bool
	c := &cobra.Command{
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
				return a.send(c.Context(), args)
			}
			return a.replay(c.Context(), args)
		},
	}
	a.jsonFlag(c, "one JSON object a line, for each record with a finding, or that is ignored (--send: the counts)")
	c.Flags().BoolVar(&send, "send", false, "send the records to queue.url instead")
	return c
}

// replayed counts what a replay has read.
type replayed struct {
	records, findings, bad int
	unread                 int // files
	elsewhere              int // calls on what no flow log here depends on
	noCalls                int // records that name a call but are none
	noRecords              int // digests, and notices of files without records of calls
	progress               *term.Progress
}

// summary is an error if something could not be read: each was printed already.
func (n replayed) summary() error {
	switch {
	case n.unread > 0 && n.records+n.bad == 0:
		return errPrinted
	case n.unread > 0:
		return fmt.Errorf("%s could not be read, see above", term.Plural(n.unread, "file"))
	case n.bad > 0:
		return fmt.Errorf("%d of what was read could not be understood, see above", n.bad)
	}
	return nil
}

// each calls fn with every record of the files that has a finding, decoded and raw,
// and with those that name a call but are none: their finding has no kind. What
// can't be understood is printed to stderr and counted, and the rest is read.
func (a *app) each(ctx context.Context, files []string, n *replayed, fn func(raw []byte, f detection.Finding) error) error {
	for _, name := range files {
		at := 0
		err := a.readBodies(ctx, name, func(body []byte) error {
			at++
			bad := func(err error) {
				n.bad++
				a.complain(fmt.Sprintf("%s, value %d: %v", name, at, err))
			}
			inside, err := expand(body)
			if err != nil {
				bad(err)
			}
			for _, body := range inside {
				if err := judge(body, n, bad, fn); err != nil {
					return &replayError{err}
				}
			}
			return ctx.Err()
		})
		var own *replayError
		var file *fs.PathError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &own):
			return own.error
		case errors.Is(err, syscall.EISDIR):
			n.unread++
			a.complain(name + " is a folder: name the files in it, such as " + filepath.Join(name, "*.json.gz"))
		case errors.As(err, &file):
			n.unread++
			a.complain(name + ": " + file.Err.Error())
		case err != nil:
			n.bad++
			a.complain(name + ": " + err.Error())
		}
	}
	return nil
}

// judge finds what one body holds, as the daemon does with a message.
func judge(body []byte, n *replayed, bad func(error), fn func(raw []byte, f detection.Finding) error) error {
	c, err := watcher.Unwrap(body)
	if err != nil {
		bad(err)
		return nil
	}
	if c.Kind == watcher.LogFile {
		bad(errors.New("a notice that a log file is in S3: replay the file itself"))
	}
	if c.Kind == watcher.NoRecords {
		n.noRecords++
	}
	for _, raw := range c.Records {
		n.records++
		n.progress.Step()
		if !cloudtrail.Wanted(raw) {
			continue
		}
		r, err := cloudtrail.Decode(raw)
		if err != nil {
			bad(err)
			continue
		}
		f, ok := detection.Judge(r)
		switch {
		case r.NoCall != "":
			n.noCalls++
			f = detection.Finding{Record: r}
		case !ok:
			continue
		default:
			n.findings++
		}
		if err := fn(raw, f); err != nil {
			return err
		}
	}
	return nil
}

// replayError ends the replay, unlike an error about a file.
type replayError struct{ error }

func (a *app) replay(ctx context.Context, files []string) error {
	c, err := a.config(needs{})
	if err != nil {
		return err
	}
	p := planner{policy: daemon.Policy(c)}
	if p.store, err = openState(ctx, c); errors.Is(err, store.ErrMissing) {
		a.Note("no state file: what would be restored is not known")
	} else if err != nil {
		return err
	} else {
		defer p.store.Close()
		counts, err := p.store.Counts(ctx)
		if err != nil {
			return err
		}
		p.dependencies = daemon.Dependencies(c, slices.Collect(maps.Keys(counts.RefreshedAt)))
	}
	n := replayed{progress: a.Progress("reading records", 0)}
	err = a.each(ctx, files, &n, func(_ []byte, f detection.Finding) error {
		v, err := newVerdict(ctx, p, f)
		switch {
		case err != nil:
			return err
		case v.Kind == "tamper" && p.store != nil && len(v.Threatens) == 0:
			n.findings--
			n.elsewhere++
			return nil
		case a.JSON:
			return a.Object(v)
		}
		a.printVerdict(v)
		return nil
	})
	n.progress.End()
	if err != nil {
		return err
	}
	if n.records+n.bad == 0 && n.unread > 0 {
		return n.summary()
	}
	a.Note("%s read, %s", term.Plural(n.records, "record"), term.Plural(n.findings, "finding"))
	for _, left := range []struct {
		count      int
		thing, why string
	}{
		{n.noRecords, "value", "left out: a digest of log files, or a notice of files that hold no records of calls"},
		{n.noCalls, "record", "not acted on: no management call of an AWS API"},
		{n.elsewhere, "record", "left out: about log groups, buckets, roles and the like that no flow log here depends on"},
	} {
		if left.count > 0 {
			a.Note("%s %s", term.Plural(left.count, left.thing), left.why)
		}
	}
	return n.summary()
}
