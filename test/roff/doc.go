// Package roff writes the manual pages that tests generate: headings, paragraphs,
// terms and examples, and nothing else of roff. Text between backticks is bold.
package roff
