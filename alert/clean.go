package alert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text from outside is cut to these lengths, in characters. AWS's own limits are lower (the
// parts of an ARN, tag keys of 128 and values of 256). Only error texts can be longer: they may
// contain kilobytes of encoded authorization message, which nobody needs in full.
const (
	MaxTitle = 200 // of an alert
	MaxField = 512 // of any other field except the log format
	// maxFormat is longer than a format with every field that AWS has.
	maxFormat = 4096
	maxTags   = 50 // what AWS allows on one resource
)

// Clean makes foreign text safe for any sink, page and terminal (I12). Everything that is
// not printable (control characters, escape sequences, line breaks, bidi overrides and
// other invisible marks, invalid UTF-8) becomes a visible escape such as \x1b or \u202e. A
// text longer than limit characters is cut, and ends in "…". Cleaning twice changes nothing.
func Clean(s string, limit int) string {
	var b strings.Builder
	cut, length := 0, 0 // cut: how many bytes to keep if "…" must follow
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := visible(r, s[i:i+size])
		i += size
		length += utf8.RuneCountInString(piece)
		if length > limit {
			return b.String()[:cut] + strings.Repeat("…", min(1, max(0, limit)))
		}
		b.WriteString(piece)
		if length < limit {
			cut = b.Len()
		}
	}
	return b.String()
}

// visible is the rune, escaped if it is not printable; raw are its bytes.
func visible(r rune, raw string) string {
	if r == utf8.RuneError && len(raw) == 1 {
		return fmt.Sprintf(`\x%02x`, raw[0])
	}
	if unicode.IsPrint(r) {
		return raw
	}
	quoted := strconv.QuoteRuneToASCII(r)
	return quoted[1 : len(quoted)-1]
}

// clean returns the alert with all of its texts cleaned. It does not change the values that a
// points to, because the caller may share them.
func (a Alert) clean() Alert {
	cleanAll(MaxField, &a.ID, &a.DedupKey, &a.CampaignID, &a.Cause, &a.Advice, &a.Account, &a.Region, &a.EventID, &a.Source, &a.Target, (*string)(&a.Part))
	cleanAll(MaxName, &a.AccountName)
	if a.Rule != nil {
		a.Rule = &Rule{ID: Clean(a.Rule.ID, MaxField), Title: Clean(a.Rule.Title, MaxField)}
	}
	if a.Actor != nil {
		who := *a.Actor
		cleanAll(MaxField, &who.Type, &who.ARN, &who.SessionIssuer, &who.AccessKeyID, &who.SourceIP, &who.UserAgent, &who.Account, &who.Via,
			&who.UserName, &who.OnBehalfOf, &who.IdentityStore, &who.PrincipalID, &who.InvokedBy, &who.SourceIdentity, &who.WebIdentity)
		cleanAll(MaxName, &who.AccountName)
		a.Actor = &who
	}
	a.RaisedBy = cleanTexts(a.RaisedBy)
	a.Recent = slices.Clone(a.Recent)
	for i := range a.Recent {
		a.Recent[i].EventName = Clean(a.Recent[i].EventName, MaxField)
	}
	a.Repeats = a.Repeats.clean()
	a.FlowLogs = cleanFlowLogs(a.FlowLogs)
	a.FailedFlowLogs = cleanFlowLogs(a.FailedFlowLogs)
	return a
}

// cleanAll cleans texts in place.
func cleanAll(limit int, texts ...*string) {
	for _, s := range texts {
		*s = Clean(*s, limit)
	}
}

func cleanFlowLogs(in []FlowLog) []FlowLog {
	out := slices.Clone(in)
	for i := range out {
		f := &out[i]
		cleanAll(MaxField, &f.FlowLogID, &f.RootFlowLogID, &f.ResourceID, &f.State, &f.Reason, &f.Advice,
			&f.Account, &f.Region, &f.Destination, &f.NewFlowLogID, &f.ErrorCode, &f.ErrorMessage, &f.CreatedBy, &f.Foreseen)
		cleanAll(MaxName, &f.AccountName, &f.ResourceName)
		f.LogFormat = Clean(f.LogFormat, maxFormat)
		f.Tags = cleanTags(f.Tags)
		f.DifferencesFound = cleanTexts(f.DifferencesFound)
	}
	return out
}

func cleanTexts(in []string) []string {
	out := slices.Clone(in)
	for i := range out {
		out[i] = Clean(out[i], MaxField)
	}
	return out
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// cleanTags keeps the first maxTags tags in the order of their keys, so that the result is
// always the same.
func cleanTags(in map[string]string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	keys := sortedKeys(in)
	out := make(map[string]string, min(len(in), maxTags))
	for _, k := range keys[:min(len(keys), maxTags)] {
		out[Clean(k, MaxField)] = Clean(in[k], MaxField)
	}
	return out
}
