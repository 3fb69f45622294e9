// Package localstack gives tests a running LocalStack, in the first way that works on
// this machine: an endpoint that already runs, Docker, or Python.
package localstack
