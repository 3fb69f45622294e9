package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/recordsource"
	"flowkeeper/internal/replay"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
)

// replayCommand is what the flags of the command say, and what reads the records.
type replayCommand struct {
	*app
	c       *cobra.Command
	send    bool
	summary bool // the table alone
	choice  replayChoice
	reader  replay.Reader

	conf configs.Config
	base *aws.Config // nil: no bucket was opened yet, and conf is not set either
}

const whatToRead = "files or folders with CloudTrail records, or s3://bucket/prefix (- for stdin)"

func newReplayCommand(a *app) *cobra.Command {
	r := &replayCommand{app: a}
	c := a.withJSON("one JSON object a line, for each record with a finding, or that is ignored (--summary: for each line of the table; --send: the counts)", &cobra.Command{
		Use: "replay FILE|FOLDER|s3://BUCKET/PREFIX...", Short: "Show what CloudTrail records mean, and what would be restored",
		Args: someArgs(1, 0, whatToRead),
		Long: `Read CloudTrail records, log files (.json, .json.gz) or queue messages and show
the findings: who deleted which flow logs, from where, with MFA or not. If there
is a state file, it also shows what would be restored. It changes nothing. With
--send the records with a finding are sent to queue.url instead, as EventBridge
sends them, and the daemon acts on them.

More than ten findings are summed up in a table: who did what, where, how often,
and when first and last. On a terminal the table replaces the details;
--summary=false shows these, --summary the table alone.

Of a folder all files with records are read, also in folders below; symbolic
links in it are not followed. A pattern may be quoted. Of s3://bucket/prefix all
files with records are read whose keys begin so; only the folders of the
accounts, Regions and days that are asked for are listed. It is read with your
own credentials, also if it is in log_files.buckets, whose role is the daemon's:
they need s3:ListBucket and s3:GetObject, and kms:Decrypt if the files are
encrypted with a key of KMS (deploy/iam-policy-replay.json).

The output of the AWS CLI is read as well: cloudtrail lookup-events, cloudtrail
get-query-results (CloudTrail Lake, with whole records), logs filter-log-events
and get-query-results (CloudWatch Logs), sqs receive-message; and the event of a
Lambda function that SQS, SNS, EventBridge or a subscription of CloudWatch Logs
calls.

--from and --to are about the time of a call. Log files that CloudTrail
delivered more than an hour after --to are not read. A record that does not
state its time, account or Region is never left out.

Only management events of the type AwsApiCall are acted on. If another record
names such a call (of CloudTrail Insights, data events, network activity), it
says what that record is, and why it is ignored.`,
		Example: `  flowkeeper replay 111122223333_CloudTrail_eu-west-1_20260301T1205Z_abc.json.gz

  # A day of an organisation's trail, two of its accounts
  flowkeeper replay s3://org-trail/AWSLogs/ --from 2026-03-01 --to 2026-03-01 \
    --account 111122223333,444455556666

  # Who has touched flow logs this year
  flowkeeper replay --summary --from 2026-01-01 s3://org-trail/AWSLogs/

  # A copy of the bucket, for a script
  flowkeeper replay --json ./trail | jq -r .actor.arn

  # What CloudTrail remembers of the last 90 days
  aws cloudtrail lookup-events --output json --lookup-attributes \
    AttributeKey=EventName,AttributeValue=DeleteFlowLogs | flowkeeper replay -`,
		ValidArgsFunction: a.completeRecords,
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.check(args); err != nil {
				return err
			}
			if err := r.choice.resolveAccounts(c.Context(), a); err != nil {
				return err
			}
			if r.send {
				return sendRecords(c.Context(), r, args)
			}
			return replayFiles(c.Context(), r, args)
		},
	})
	r.c = c
	c.Flags().BoolVar(&r.summary, "summary", false, "the table alone: who did what, where, how often, and when first and last")
	c.Flags().BoolVar(&r.send, "send", false, "send the records to queue.url instead")
	r.choice.flags(a, c)
	return c
}

// check refuses wrong arguments before anything is read.
func (r *replayCommand) check(args []string) error {
	if r.send && r.c.Flags().Changed("summary") {
		return usagef("--summary has no meaning with --send, which shows no findings")
	}
	if err := refuseEmpty(r.c, "account", "region", "bucket-owner"); err != nil {
		return err
	}
	for _, arg := range args {
		if !recordsource.IsURL(arg) {
			continue
		}
		if _, _, err := recordsource.ParseURL(arg); err != nil {
			return usagef("%s: %s", arg, err)
		}
	}
	return r.choice.check()
}

// manyFindings is how many findings people see in detail; more are summed up in a table.
const manyFindings = 10

func replayFiles(ctx context.Context, r *replayCommand, args []string) error {
	p, closeState, err := newPlanner(ctx, r.app)
	if err != nil {
		return err
	}
	defer closeState()
	either := !r.c.Flags().Changed("summary") && !r.JSON // details or a table, by how many findings there are
	out := findingPrinter{app: r.app, details: !r.summary, table: r.summary || either, hold: either && r.Terminal}
	if !out.details {
		p.Cases = nil // what would be restored is not shown
	}
	unrelated, err := r.explain(ctx, p, args, &out)
	if err != nil && (!errors.Is(err, context.Canceled) || r.records() == 0) {
		return err
	}
	if err == nil && r.reader.ReadNothing() {
		return r.incomplete()
	}
	out.end()
	r.note(unrelated)
	return cmp.Or(err, r.incomplete()) // interrupted: what was read so far is shown
}

// explain adds to out what the findings mean. It leaves out calls about resources that nothing here depends on;
// unrelated counts these.
func (r *replayCommand) explain(ctx context.Context, p replay.Planner, args []string, out *findingPrinter) (unrelated int, err error) {
	first := true
	for x := range r.read(ctx, args) {
		if first && p.Tampering == nil {
			r.Note("no state file: what would be restored is not known")
		}
		first = false
		v, err := p.Explain(ctx, x.Finding)
		if err != nil {
			return unrelated, err
		}
		if v.Kind == detection.Tampered && p.Tampering != nil && len(v.Threatens) == 0 {
			unrelated++
			continue
		}
		v.File = x.File
		out.add(v)
	}
	return unrelated, ctx.Err()
}

// newPlanner opens the state file, which closeState closes. If there is no state file, the planner has no Cases and no
// Tampering.
func newPlanner(ctx context.Context, a *app) (p replay.Planner, closeState func(), err error) {
	c, _, err := a.config(needs{})
	if err != nil {
		return p, nil, err
	}
	s, err := openState(ctx, c)
	if errors.Is(err, store.ErrMissing) {
		return replay.Planner{Names: daemon.Names(c)}, func() {}, nil
	}
	if err != nil {
		return p, nil, err
	}
	counts, err := s.Counts(ctx)
	members, listed, accountsErr := s.Accounts(ctx)
	names, namesErr := s.AccountNames(ctx)
	if err = errors.Join(err, accountsErr, namesErr); err != nil {
		return p, nil, errors.Join(err, s.Close())
	}
	return replay.Planner{Watched: daemon.WatchedBy(c, members, !listed.IsZero(), nil),
		Names: names, Cases: s.Remediation(), Tampering: s.Tampering(), Policy: daemon.Policy(c, ""),
		Dependencies: daemon.Dependencies(c, slices.Collect(maps.Keys(counts.RefreshedAt))),
	}, func() { _ = s.Close() }, nil
}

// completeRecords offers files, and the buckets of log_files.buckets.
func (a *app) completeRecords(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if !strings.HasPrefix(prefix, "s3") {
		return []string{"json", "gz", "jsonl", "ndjson"}, cobra.ShellCompDirectiveFilterFileExt
	}
	conf, _, err := a.config(needs{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var urls []string
	for _, b := range conf.LogFiles.Buckets {
		urls = append(urls, "s3://"+b.Name+"/"+b.Prefix)
	}
	return slices.DeleteFunc(urls, func(u string) bool { return !plainWord.MatchString(u) }), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// replayChoice is which records to replay, as the flags say, and whose bucket they are in.
type replayChoice struct {
	recordsource.Selection
	owner string // --bucket-owner
	day   string // --to, if it is a date without a time; To is then the end of that day
}

func (r *replayChoice) flags(a *app, c *cobra.Command) {
	flags := c.Flags()
	flags.Func("from", "only calls since this `time`: 2h, 7d, 2026-03-01 or RFC 3339; in UTC, unless it has a zone", func(v string) (err error) {
		r.From, err = parseSince(v, a.now())
		return err
	})
	flags.Func("to", "only calls before this `time`; of a day alone, the whole day too", func(v string) (err error) {
		r.To, err = parseTime(v, a.now())
		r.day = ""
		if _, dayErr := time.Parse(time.DateOnly, v); dayErr == nil {
			r.day, r.To = v, r.To.AddDate(0, 0, 1)
		}
		return err
	})
	flags.StringSliceVar(&r.Accounts, "account", nil, "only records of this `account`, by its number or its name; several with commas")
	flags.StringSliceVar(&r.Regions, "region", nil, "only records of this `Region`; several with commas (IAM's are in us-east-1)")
	flags.StringVar(&r.owner, "bucket-owner", "", "read a bucket only if it belongs to this `account`")
	for _, name := range []string{"from", "to"} {
		completeFlag(c, name, cobra.FixedCompletions([]string{"1h", "1d", "7d"}, cobra.ShellCompDirectiveNoFileComp))
	}
	completeFlag(c, "account", severalOf(a.completeFromState(new(filters).offerAccounts)))
	completeFlag(c, "region", severalOf(a.completeFromState(new(filters).knownRegions)))
}

// check refuses values that nothing can match: people would take an empty result to mean that nothing happened.
// Accounts and Regions need not be known to Flowkeeper: records may be of any.
func (r *replayChoice) check() error {
	if err := checkRegions(r.Regions); err != nil {
		return err
	}
	if r.owner != "" && !accountID.MatchString(r.owner) {
		return usagef("--bucket-owner %s: twelve digits, such as 111122223333", r.owner)
	}
	if !r.From.IsZero() && !r.To.IsZero() && !r.From.Before(r.To) {
		return usagef("--from (%s) must be before --to (%s)", term.Minute(r.From), r.to())
	}
	return nil
}

// accountID is the form of an account's number.
var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// resolveAccounts replaces the names of accounts by their numbers, which the state file knows.
// Numbers need no state file: records may be of any account.
func (r *replayChoice) resolveAccounts(ctx context.Context, a *app) error {
	name := slices.IndexFunc(r.Accounts, func(v string) bool { return !accountID.MatchString(v) })
	if name < 0 {
		return nil
	}
	accounts := choice{values: &r.Accounts, resolve: func(ctx context.Context, s state, word string) ([]string, error) {
		if accountID.MatchString(word) {
			return []string{word}, nil
		}
		return new(filters).resolveAccount(ctx, s, word)
	}}
	err := a.withState(ctx, func(s state) error { return accounts.apply(ctx, s) })
	if errors.Is(err, store.ErrMissing) {
		return usagef("--account %s: there is no state file to find this name in: write twelve digits, such as 111122223333", cmp.Or(term.Clean(r.Accounts[name]), `""`))
	}
	return err
}

// words are the flags that were given, with the times in UTC.
func (r *replayChoice) words() string {
	var words []string
	add := func(flag, value string) {
		if value != "" {
			words = append(words, "--"+flag+" "+value)
		}
	}
	add("from", term.Minute(r.From))
	add("to", r.to())
	add("account", strings.Join(r.Accounts, ","))
	add("region", strings.Join(r.Regions, ","))
	return strings.Join(words, ", ")
}

// to is --to as the user wrote it: a day, or a time in UTC; empty: it was not given.
func (r *replayChoice) to() string { return cmp.Or(r.day, term.Minute(r.To)) }
