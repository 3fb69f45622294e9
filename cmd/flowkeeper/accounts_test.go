package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestUnlisted: if a call to AWS fails because AWS can't be reached, the error says what to check. An error that no
// call returned stays unchanged.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	asked := func(err error) error {
		return fmt.Errorf("list the accounts: %w", &smithy.OperationError{ServiceID: "Organizations", OperationName: "ListAccounts", Err: err})
	}
	if err := listingError(asked(&smithyhttp.RequestSendError{Err: errors.New("connection refused")})); !strings.HasSuffix(err.Error(),
		"connection refused: check that this machine reaches AWS: DNS, proxy, firewall, aws.endpoint_url") {
		t.Errorf("%v", err)
	}
	for _, err := range []error{nil, errors.New("AWS names no account")} {
		if got := listingError(err); got != err {
			t.Errorf("%v became %v, want it unchanged", err, got)
		}
	}
}
