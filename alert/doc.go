// Package alert is what people read about a deletion: an Alert as it is built, worded and
// bounded.
//
//  1. Package remediate fills an Alert: kind, level, actor, flow logs.
//  2. Alert.Write writes the title and the text from those fields alone (title.go,
//     text.go); text that came from a record is cleaned and bounded first
//     (clean.go).
//  3. Package alert/sink delivers it. Sinks that arrange the sentences in their own way
//     take them from methods such as Alert.Facts, Alert.Doing and Alert.ToDo; each is
//     empty where there is nothing to say. A sentence can be longer than MaxField, so that
//     a sink cuts it to what it shows. Alert.Within makes the alert as small as a receiver
//     wants (fit.go).
//
// All of it are functions of plain values, without I/O, clock or goroutines. An Alert is
// copied freely: no method but Write changes it, and none changes what it points to.
package alert
