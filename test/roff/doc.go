// Package roff writes the manual pages that tests generate: headings, words,
// terms and examples, and nothing else of roff. In words, what stands between
// backticks is bold.
package roff
