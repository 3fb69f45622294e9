package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/term"
)

// maxNamed is how many places are named; more are counted.
const maxNamed = 3

func writeResults(a *app, group []doctor.Result) {
	if a.JSON {
		for _, r := range group {
			a.Object(r)
		}
		return
	}
	for _, l := range mergeResults(group) {
		writeLine(a, l)
	}
}

// line is a result that is the same in one or more places.
type line struct {
	doctor.Result
	places []string
	fixes  []string
}

// mergeResults returns one line for all places with the same result, and one for all
// that are fine if these are many. Skipped checks are in the summary.
func mergeResults(group []doctor.Result) (out []line) {
	good := 0
	for _, r := range group {
		if r.Status == doctor.OK {
			good++
		}
	}
	for _, r := range group {
		if r.Status == doctor.Skipped {
			continue
		}
		if r.Status == doctor.OK && good > maxNamed {
			r.Detail = "fine"
		}
		n := slices.IndexFunc(out, func(l line) bool { return l.Status == r.Status && l.Detail == r.Detail })
		if n < 0 {
			out, n = append(out, line{Result: r}), len(out)
		}
		if p := placeOf(r); p != "" {
			out[n].places = append(out[n].places, p)
		}
		if r.Fix != "" && !slices.Contains(out[n].fixes, r.Fix) {
			out[n].fixes = append(out[n].fixes, r.Fix)
		}
	}
	return out
}

// namePlaces names the places of a line, or counts them.
func namePlaces(places []string) string {
	if len(places) > maxNamed {
		return alert.Plural(len(places), "place")
	}
	return strings.Join(places, ", ")
}

// statusMark is the word for a status, and its colour.
func statusMark(s doctor.Status) (string, term.Color) {
	switch s {
	case doctor.OK:
		return "ok", term.Green
	case doctor.Warn:
		return "warning", term.Yellow
	case doctor.Fail:
		return "FAILED", term.Red
	}
	return "can't tell", term.Dim
}

// Widths of the columns before a detail.
const (
	markWidth  = len("can't tell")
	checkWidth = len("queue-retention")
	maxFix     = 8000 // characters: a whole encoded message of AWS
)

func writeLine(a *app, l line) {
	text, c := statusMark(l.Status)
	detail := strings.TrimLeft(strings.TrimPrefix(l.Detail, "can't tell"), ",: ")
	if len(l.places) > 0 {
		detail = namePlaces(l.places) + ": " + detail
	}
	a.Printf("%s%s  %-*s  %s\n", a.Paint(text, c), strings.Repeat(" ", markWidth-len(text)), checkWidth, l.Check, term.Clean(detail))
	if len(l.places) > maxNamed && l.Status != doctor.OK {
		l.fixes = append([]string{"in " + strings.Join(l.places, ", ")}, l.fixes...)
	}
	if l.See != "" && l.Status != doctor.Unknown {
		l.fixes = append(l.fixes, "see "+l.See)
	}
	for _, f := range l.fixes {
		a.Printf("    %s\n", alert.Clean(f, maxFix))
	}
}

func placeOf(r doctor.Result) string { return strings.TrimSpace(r.Account + " " + r.Region) }

func writeSummary(a *app, counts map[doctor.Status]int, skipped map[string][]string) {
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		text := alert.Plural(len(skipped[why]), "check")
		if places := sortedSet(skipped[why]); len(places) > 0 { // a check of this machine has no place
			text += " of " + namePlaces(places)
		}
		a.Printf("%s  %s\n", a.Paint(fmt.Sprintf("%-*s", markWidth, "left out"), term.Dim), term.Clean(text+": "+why))
	}
	parts := []string{fmt.Sprintf("%d ok", counts[doctor.OK])}
	if n := counts[doctor.Warn]; n > 0 {
		parts = append(parts, alert.Plural(n, "warning"))
	}
	if n := counts[doctor.Unknown]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d can't tell", n))
	}
	if n := counts[doctor.Skipped]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d left out", n))
	}
	result, c := "nothing fails: ", term.Green
	if n := counts[doctor.Fail]; n > 0 {
		result, c = fmt.Sprintf("%d FAILED, ", n), term.Red
	}
	a.Printf("\n%s%s\n", a.Paint(result, c), strings.Join(parts, ", "))
}
