// Command flowkeeper protects VPC flow logs: it learns of their deletion, alerts
// people, and creates them again. `flowkeeper --help` lists the commands.
//
//  1. main.go runs the root command with a context that ends with SIGINT or
//     SIGTERM, and decides the exit code.
//  2. root.go builds the tree of commands.
//  3. config.go reads the configuration and opens the state file, which most commands
//     need.
//  4. Each other file is one command or a group of small ones, or what commands share:
//     filters, completion, help, usage errors, the JSON contract. The code of a command is
//     a function that gets the app, or a state: the app with the open state file.
//
// run.go starts internal/daemon, which owns its goroutines; other commands end
// theirs before they return.
//
// Commands hold no rule about incidents: they call the packages that do. Output
// for people may change; --json is a contract (contract.go).
package main
