// Package scopes connects to AWS: one EC2 client for each scope (an account in one
// Region), with credentials that are known to belong to that account (I13).
//
//  1. Base reads the SDK's configuration; Fleet.Connect makes the clients of the configured
//     accounts and their Regions.
//  2. Before credentials sign any call, sts:GetCallerIdentity says whose they are;
//     the answer is kept for each access key.
//  3. When AWS refuses them, they are loaded again, and the call is repeated once
//     (source.go, middleware.go, reload.go).
//  4. Fleet.EC2 returns the client of a scope.
//
// The package starts no goroutine that outlives a call. A Fleet is safe for
// concurrent use.
//
// It never hands out credentials of another account. Its EC2 clients make one
// attempt: retries belong to the state file (docs/decisions/retries.md).
package scopes
