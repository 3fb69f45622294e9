// Package smoke asks an AWS account about what AWS does not document and no emulator shows
// for certain: `make smoke-aws`. It makes flow logs on resources that a person names, and
// deletes them: each has the tag [Tag], and nothing else is ever deleted. Its own test asks
// the AWS in this repository the same questions.
package smoke
