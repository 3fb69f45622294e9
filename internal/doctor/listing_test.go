package doctor

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

// TestManyUnitsAreListed: 300 OUs take 600 calls, one after the other, which is longer than any other question may take.
func TestManyUnitsAreListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := fakeawstest.New(fakeawstest.Options{Latency: 100 * time.Millisecond})
		w.AddOrganization("999988887777", "main")
		for n := range 300 {
			w.AddUnit(fakeawstest.Root, fmt.Sprint("unit ", n))
		}
		c := w.User("999988887777", "flowkeeper", true)
		d := &Doctor{
			Config: configs.Config{Organization: configs.Organization{RoleName: "flowkeeper", Exclude: []string{"ou-fake-00000001"}}},
			AWS: aws.Config{Region: "eu-west-1", HTTPClient: w.HTTPClient(),
				Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")},
		}
		l, err := newMachine(t.Context(), d).listing()
		if err != nil || len(l.Accounts) != 1 || l.NoPaths != nil {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
