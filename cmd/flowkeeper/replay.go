package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/recordfile"
	"flowkeeper/internal/term"
	"flowkeeper/watcher"
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
		ValidArgsFunction: cobra.FixedCompletions([]string{"json", "gz"}, cobra.ShellCompDirectiveFilterFileExt),
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

// recordReader reads the records in files, and counts them.
type recordReader struct {
	app *app
	// found is called with every record that has a finding, raw and decoded, and with
	// those that name a call but are none: their finding has no kind. Its error ends the
	// reading.
	found func(raw []byte, f detection.Finding) error

	progress          *term.Progress
	records, findings int
	bad               int // values and records that could not be understood
	unread            int // files that could not be read
	noCalls           int // records that name a call but are none
	noRecords         int // digests, and notices of files without records of calls
}

// read reads the files. What can't be read or understood is printed to stderr and
// counted, and the rest is read.
func (r *recordReader) read(ctx context.Context, files []string) error {
	r.progress = r.app.Progress("reading records", 0)
	defer r.progress.End()
	for _, name := range files {
		if err := r.file(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *recordReader) file(ctx context.Context, name string) error {
	var failed error // of found
	in, err := r.app.open(ctx, name)
	if err == nil {
		defer in.Close()
		err = recordfile.Messages(in, func(n int, message []byte, err error) error {
			where := fmt.Sprintf("%s, value %d", name, n)
			if err != nil {
				r.misread(where, err)
			} else {
				failed = r.message(where, message)
			}
			return cmp.Or(failed, ctx.Err())
		})
	}
	var file *fs.PathError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed != nil:
		return failed
	case errors.Is(err, syscall.EISDIR):
		r.unread++
		r.app.complain(name + " is a folder: name the files in it, such as " + filepath.Join(name, "*.json.gz"))
	case errors.As(err, &file):
		r.unread++
		r.app.complain(name + ": " + file.Err.Error())
	case err != nil:
		r.misread(name, err)
	}
	return nil
}

// misread counts what could not be understood, and says why.
func (r *recordReader) misread(where string, err error) {
	r.bad++
	r.app.complain(where + ": " + err.Error())
}

// message reads a message as the daemon does.
func (r *recordReader) message(where string, body []byte) error {
	c, err := watcher.Unwrap(body)
	if err != nil {
		r.misread(where, err)
		return nil
	}
	if c.Kind == watcher.LogFile {
		r.misread(where, errors.New("a notice that a log file is in S3: replay the file itself"))
	}
	if c.Kind == watcher.NoRecords {
		r.noRecords++
	}
	for _, raw := range c.Records {
		r.records++
		r.progress.Step()
		if !cloudtrail.Wanted(raw) {
			continue
		}
		record, err := cloudtrail.Decode(raw)
		if err != nil {
			r.misread(where, err)
			continue
		}
		f, ok := detection.Judge(record)
		switch {
		case record.NoCall != "":
			r.noCalls++
			f = detection.Finding{Record: record}
		case !ok:
			continue
		default:
			r.findings++
		}
		if err := r.found(raw, f); err != nil {
			return err
		}
	}
	return nil
}

// nothing reports that no file could be read.
func (r *recordReader) nothing() bool { return r.unread > 0 && r.records+r.bad == 0 }

// incomplete is an error if something could not be read: each was printed already.
func (r *recordReader) incomplete() error {
	switch {
	case r.nothing():
		return errPrinted
	case r.unread > 0:
		return fmt.Errorf("%s could not be read, see above", alert.Plural(r.unread, "file"))
	case r.bad > 0:
		return fmt.Errorf("%d of what was read could not be understood, see above", r.bad)
	}
	return nil
}
