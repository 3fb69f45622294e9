// Package accounts finds out for `flowkeeper accounts list` which accounts are to be protected, and
// whether AWS lets Flowkeeper act in each of them.
//
//  1. Read reads what the state file knows: the last list of the organisation's accounts, their
//     Regions and flow logs.
//  2. AskOrganization lists the accounts as they are now. UseStored takes them from the state
//     file instead, and UseConfigured from the configuration, where no organisation is to be asked.
//  3. AskRoles asks STS in each account whether the role works there.
//  4. All puts the answers of these steps together.
//
// It changes nothing, neither at AWS nor in the state file.
package accounts
