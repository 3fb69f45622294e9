package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/replay"
	"flowkeeper/internal/term"
	"flowkeeper/remediate/incident"
)

// findingPrinter prints findings: each, or a table of them at the end, or both.
type findingPrinter struct {
	*app
	details, table bool
	hold           bool // print the details at the end, and only if they are few

	held  []replay.Finding
	count int
	sums  replay.Summary
}

func (o *findingPrinter) add(v replay.Finding) {
	o.count++
	if o.table {
		o.sums.Add(v)
	}
	switch {
	case o.hold && o.count <= manyFindings:
		o.held = append(o.held, v)
	case o.hold:
		o.held = nil
	case o.details && o.JSON:
		o.Object(v)
	case o.details:
		printFinding(o.app, v)
	}
}

func (o *findingPrinter) end() {
	for _, v := range o.held {
		printFinding(o.app, v)
	}
	if o.table && (!o.details || o.count > manyFindings) {
		printSummary(o.app, &o.sums)
	}
	if o.hold && o.count > manyFindings {
		o.Note("--summary=false shows each finding")
	}
}

// note says on stderr what was read, and what was left out. unrelated is as of explain.
func (r *replayCommand) note(unrelated int) {
	r.Note("%s read, %s", alert.Plural(r.records(), "record"), alert.Plural(r.reader.Findings-unrelated, "finding"))
	if r.reader.Expanded.Load() {
		r.Note("%s read", r.volume())
	}
	for _, left := range []struct {
		count     int
		what, why string
	}{
		{int(r.reader.NoRecords.Load()), "value", "left out: a digest of log files, or a notice of files that hold no records of calls"},
		{r.reader.NoCalls, "record", "not acted on: no management call of an AWS API"},
		{unrelated, "record", "left out: about log groups, buckets, roles and the like that no flow log here depends on"},
		{int(r.reader.Unasked.Load()), "finding", "left out: outside of " + r.choice.words()},
		{int(r.reader.Finder.Outside.Load()), "log file", "not read: by its name outside of " + r.choice.words()},
		{int(r.reader.Finder.Others.Load()), "other file", "not read: no file with records, by its name"},
	} {
		if left.count > 0 {
			r.Note("%s %s", alert.Plural(left.count, left.what), left.why)
		}
	}
}

// titles are the titles of findings that have no rule.
var titles = map[detection.Kind]string{
	detection.Rehearsed: "A Flowkeeper tested a restore as a dry run", detection.TornDown: "A VPC was deleted",
}

func printFinding(a *app, v replay.Finding) {
	title := titles[v.Kind]
	if v.Kind == replay.Ignored {
		what, _ := cloudtrail.NoCall(v.Reason).Words()
		title = "Not acted on: " + what
	}
	if v.Rule != nil {
		title = fmt.Sprintf("%s (%s)", v.Rule.Title, v.Level)
	}
	a.Printf("%s\n", a.Paint(term.Clean(title), levelCell(v.Level).Color))
	s := &term.Sheet{Indent: "  "}
	s.Put("when", a.when(v.Time.Time))
	s.Put("where", strings.TrimSpace(alert.WithAccount(v.Account, v.AccountName)+" "+v.Region))
	s.Put("event", v.EventID)
	s.Put("addendum", addendumWords(v))
	putActor(s, v.Actor)
	if v.Kind == replay.Ignored {
		s.Put("call", v.EventName)
		s.Put("why", v.Why)
	}
	if v.Kind == detection.Tampered {
		call, target := v.EventName, "target not stated"
		if v.How != "" {
			call += " (" + v.How + ")"
		}
		if v.Hidden != "" {
			target += ": " + v.Hidden
		}
		s.Put("call", call)
		s.Put("of", cmp.Or(v.Target, target))
		s.Put("threatens", cmp.Or(strings.Join(v.Threatens, " and "), "not known without a state file"))
	}
	s.Put("VPC", strings.Join(v.ResourceIDs, " "))
	if v.IDsUnknown {
		s.Put("flow logs", "the record does not say which: a refresh finds them")
	}
	for _, f := range v.FlowLogs {
		s.Put(f.FlowLogID, plannedWords(f))
	}
	if v.Omitted > 0 {
		s.Put("and", fmt.Sprintf("%d more", v.Omitted))
	}
	for _, f := range v.FailedFlowLogs {
		s.Put(f.FlowLogID, "not deleted: "+strings.TrimSpace(f.ErrorCode+" "+f.ErrorMessage))
	}
	a.Sheet(s)
	a.Printf("\n")
}

// addendumWords say to which event an addendum belongs, and what it leads to.
func addendumWords(v replay.Finding) string {
	a := v.Addendum
	if a == nil {
		return ""
	}
	reason := strings.Trim(a.Reason+": "+a.Updated, ": ")
	if a.EventID == v.EventID {
		return reason
	}
	return fmt.Sprintf("%s (%s): a second alert only if it says more", a.EventID, reason)
}

// plannedWords says what would be done about one flow log.
func plannedWords(p replay.Planned) string {
	var parts []string
	if p.ResourceID != "" {
		parts = append(parts, p.ResourceID+" to "+term.ShortARN(p.Destination))
	}
	if p.Would != "" {
		would := map[string]string{
			replay.Restore: "would be restored", replay.Wait: "would be restored later", replay.Restored: "was restored", string(incident.Unknown): "can't be restored",
		}[p.Would]
		parts = append(parts, cmp.Or(would, "would not be restored")+" ("+p.Why+")")
	}
	if p.Incident != "" {
		parts = append(parts, "its incident is "+string(p.Incident))
	}
	if len(parts) == 0 {
		return "named"
	}
	return strings.Join(parts, "; ")
}

// printSummary prints the table. Its columns of times are too narrow for the time zone, which the head names.
func printSummary(a *app, s *replay.Summary) {
	rows, others := s.Rows(), s.Dropped
	if a.Terminal && !a.JSON && len(rows) > terminalLimit {
		for _, r := range rows[terminalLimit:] {
			others += r.Count
		}
		rows = rows[:terminalLimit]
	}
	table := a.Table(term.Whole("LEVEL").OrDrop(1), term.CutTo(14, "CALL"), term.CutTo(14, "WHO").KeepEnd(), term.CutTo(accountWidth, "ACCOUNT").KeepEnd().OrDrop(5), term.Whole("REGION").OrDrop(4),
		term.Whole("TIMES"), term.Whole("FLOW LOGS").OrDrop(2), term.Whole("FIRST (UTC)").OrDrop(3), term.Whole("LAST (UTC)").OrDrop(6))
	utc := func(t alert.Time) string { return strings.TrimSuffix(term.Minute(t.Time), " UTC") }
	for _, r := range rows {
		flowLogs := ""
		if r.FlowLogs > 0 {
			flowLogs = strconv.Itoa(r.FlowLogs)
		}
		table.Add(r, levelCell(r.Level), r.Words(), r.Caller(), alert.WithAccount(r.Account, r.Name), r.Region, r.Count, flowLogs, utc(r.First), utc(r.Last))
	}
	table.Flush()
	switch {
	case others > 0 && a.JSON:
		a.Object(replay.Row{Kind: "others", Count: others})
	case others > 0:
		a.Note("%s of others, less severe or less frequent", alert.Plural(others, "finding"))
	}
	if s.Again > 0 {
		a.Note("%s again, counted once", alert.Plural(s.Again, "event"))
	}
}
