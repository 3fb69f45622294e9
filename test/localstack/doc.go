// Package localstack gives tests a running LocalStack, however this machine
// can have one: an endpoint that already runs, Docker, or Python.
package localstack
