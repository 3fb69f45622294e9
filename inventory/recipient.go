package inventory

import (
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Recipient is who gets the records that a flow log delivers: an S3 bucket, with any prefix, or
// the account of a log group or a delivery stream. The zero value is no recipient.
type Recipient string

// AccountRecipient begins each Recipient that is an account.
const AccountRecipient = "account:"

// RecipientOf returns the recipient of a destination's ARN; for any other text, that text.
func RecipientOf(destination string) Recipient {
	p, err := arn.Parse(destination)
	switch {
	case err != nil:
	case p.Service == "s3":
		bucket, _, _ := strings.Cut(p.Resource, "/")
		return Recipient("s3:::" + bucket) // as delivery.KeyOf has it
	case p.AccountID != "":
		return Recipient(AccountRecipient + p.AccountID)
	}
	return Recipient(destination)
}

// String names the recipient in words.
func (r Recipient) String() string {
	s := string(r)
	if bucket, ok := strings.CutPrefix(s, "s3:::"); ok {
		return "the bucket " + bucket
	}
	if account, ok := strings.CutPrefix(s, "account:"); ok {
		return "the log groups and delivery streams of account " + account
	}
	return s
}

// approvable is an ARN that no shell expands. AWS allows none with other characters.
var approvable = regexp.MustCompile(`^arn:[\w:./#-]+$`)

// ApprovalOf is the ARN by which `flowkeeper inventory approve` takes a destination: the
// bucket's, or that of the log group or stream. Empty if the text is no ARN that can be typed.
func ApprovalOf(destination string) string {
	if strings.HasPrefix(string(RecipientOf(destination)), "s3:::") {
		destination, _, _ = strings.Cut(destination, "/")
	}
	if !approvable.MatchString(destination) {
		return ""
	}
	return destination
}
