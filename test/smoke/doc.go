// Package smoke finds out, in a real AWS account, how AWS behaves where its documentation does not
// say and no emulator can tell: `make smoke-aws`. It makes flow logs on resources that a person
// names, each with the tag [Tag], and deletes them. It never deletes anything else. Its own test
// asks the fake AWS of this repository the same questions.
package smoke
