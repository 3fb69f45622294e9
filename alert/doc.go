// Package alert has the alerts that people read: their data, their texts and their bounds.
//
//  1. Package remediate fills an Alert: kind, level, actor, flow logs.
//  2. Alert.Write writes the title and the text from those fields alone (title.go,
//     text.go). It first cleans and cuts all text that comes from records (clean.go).
//  3. Package alert/sink delivers it. Sinks with a layout of their own get the sentences
//     from Alert.Words: methods such as Words.Facts, Words.Doing and Words.ToDo return an empty
//     text if there is nothing to say. A sentence can be longer than MaxField; the sink
//     cuts it to the length that it shows. Alert.Within limits the alert to the size that
//     a receiver takes (fit.go).
//
// The package has only functions of plain values, without I/O, clock or goroutines. An
// Alert may be copied: only Write changes it, and no method changes what it points to.
package alert
