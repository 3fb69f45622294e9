package fakeaws_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

// onThree asks for a flow log on each of three VPCs.
func onThree(change func(*ec2.CreateFlowLogsInput)) *ec2.CreateFlowLogsInput {
	in := toBucket("vpc-1", change)
	in.ResourceIds = []string{"vpc-1", "vpc-2", "vpc-3"}
	return in
}

func threeVPCs(t *testing.T) (*fakeawstest.World, *ec2.Client) {
	t.Helper()
	w, api, _ := testWorld(t)
	w.AddResource(acct, region, "vpc-3")
	return w, api
}

// on returns the ID of the flow log on each resource.
func on(w *fakeawstest.World) map[string]string {
	out := map[string]string{}
	for _, f := range w.FlowLogs(acct, region) {
		out[f.ResourceID] = f.ID
	}
	return out
}

// failures returns the error codes of Unsuccessful items, by resource.
func failures(all []types.UnsuccessfulItem) map[string]string {
	out := map[string]string{}
	for _, u := range all {
		out[*u.ResourceId] = *u.Error.Code
	}
	return out
}

func TestMixedIDs(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		w, api := threeVPCs(t)
		w.Configure(func(s *fakeawstest.EC2Settings) { s.MixedIDs = mixed })
		out, err := api.CreateFlowLogs(t.Context(), onThree(nil))
		if err != nil {
			t.Fatal(err)
		}
		made := on(w)
		for n, resource := range []string{"vpc-1", "vpc-2", "vpc-3"} {
			if inPlace := out.FlowLogIds[n] == made[resource]; inPlace == mixed || !slices.Contains(out.FlowLogIds, made[resource]) {
				t.Errorf("mixed %t: answered the IDs %v, made %v", mixed, out.FlowLogIds, made)
			}
		}
	}
}

// TestPartlyRefused: the answer to a create on several resources has a result for each. But the whole call fails if a
// resource does not exist or is named twice, or if the setting says so for a flow log that exists already.
func TestPartlyRefused(t *testing.T) {
	t.Parallel()
	w, api := threeVPCs(t)
	w.RefuseCreate("vpc-2", "400", "Access Denied for LogDestination")
	w.Plant(acct, region, inS3("vpc-3", nil))
	for name, c := range map[string]struct {
		change func(*ec2.CreateFlowLogsInput)
		fails  bool // EC2Settings.ExistsFails
		code   string
	}{
		"a missing VPC":   {func(in *ec2.CreateFlowLogsInput) { in.ResourceIds[1] = "vpc-9" }, false, "InvalidVpcID.NotFound"},
		"a VPC twice":     {func(in *ec2.CreateFlowLogsInput) { in.ResourceIds[1] = "vpc-1" }, false, "InvalidParameterValue"},
		"one that exists": {func(*ec2.CreateFlowLogsInput) {}, true, "FlowLogAlreadyExists"},
	} {
		t.Run(name, func(t *testing.T) {
			w.Configure(func(s *fakeawstest.EC2Settings) { s.ExistsFails = c.fails })
			in := onThree(nil)
			c.change(in)
			if _, err := api.CreateFlowLogs(t.Context(), in); code(err) != c.code || len(on(w)) != 1 {
				t.Errorf("%v, there is %v", err, on(w))
			}
		})
	}
	w.Configure(func(s *fakeawstest.EC2Settings) { s.ExistsFails = false })
	out, err := api.CreateFlowLogs(t.Context(), onThree(nil))
	if want := map[string]string{"vpc-2": "400", "vpc-3": "FlowLogAlreadyExists"}; err != nil || !maps.Equal(failures(out.Unsuccessful), want) {
		t.Errorf("answered %+v, %v; want failures %v", out, err, want)
	}
	if len(out.FlowLogIds) != 1 || out.FlowLogIds[0] != on(w)["vpc-1"] {
		t.Errorf("made %v, there is %v", out.FlowLogIds, on(w))
	}
	w.RefuseCreate("vpc-2", "", "")
	if out, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-2", nil)); err != nil || len(out.FlowLogIds) != 1 {
		t.Errorf("once it is not refused any more: %+v, %v", out, err)
	}
}

// TestTokenOfSeveral: a call for several resources is repeated with the same ClientToken. No flow log is made twice.
// The creates that failed are tried again, or fail as at first if EC2Settings.FirstAnswer is set.
func TestTokenOfSeveral(t *testing.T) {
	t.Parallel()
	for _, final := range []bool{false, true} {
		w, api := threeVPCs(t)
		w.Configure(func(s *fakeawstest.EC2Settings) { s.FirstAnswer, s.Guard = final, fakeawstest.NoGuard })
		w.RefuseCreate("vpc-2", "400", "Access Denied for LogDestination")
		in := onThree(func(in *ec2.CreateFlowLogsInput) { in.ClientToken = aws.String("t") })
		create := func() *ec2.CreateFlowLogsOutput {
			t.Helper()
			out, err := api.CreateFlowLogs(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		first := create()
		if again := create(); !slices.Equal(again.FlowLogIds, first.FlowLogIds) || failures(again.Unsuccessful)["vpc-2"] != "400" || len(on(w)) != 2 {
			t.Errorf("final %t: %+v after %+v", final, again, first)
		}
		w.RefuseCreate("vpc-2", "", "")
		w.Remove(acct, region, first.FlowLogIds[0])
		again := create()
		if final {
			if !slices.Equal(again.FlowLogIds, first.FlowLogIds) || failures(again.Unsuccessful)["vpc-2"] != "400" || len(on(w)) != 1 {
				t.Errorf("the first answer: %+v after %+v", again, first)
			}
			continue
		}
		if want := []string{first.FlowLogIds[0], on(w)["vpc-2"], first.FlowLogIds[1]}; !slices.Equal(again.FlowLogIds, want) || len(again.Unsuccessful) != 0 || len(on(w)) != 2 {
			t.Errorf("answered %+v, want %v: the removed flow log of vpc-1 must not be made again", again, want)
		}
		in.ResourceIds = []string{"vpc-2", "vpc-1", "vpc-3"}
		if _, err := api.CreateFlowLogs(t.Context(), in); code(err) != "IdempotentParameterMismatch" {
			t.Errorf("with the resources in another order: %v", err)
		}
	}
}

// TestTokenThatMadeNothing: a ClientToken whose call made nothing can be used for a call with other parameters, with
// either setting of FirstAnswer.
func TestTokenThatMadeNothing(t *testing.T) {
	t.Parallel()
	for _, final := range []bool{false, true} {
		w, api := threeVPCs(t)
		w.Configure(func(s *fakeawstest.EC2Settings) { s.FirstAnswer = final })
		w.RefuseCreate("vpc-1", "400", "Access Denied for LogDestination")
		in := toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) { in.ClientToken = aws.String("t") })
		if out, err := api.CreateFlowLogs(t.Context(), in); err != nil || len(out.Unsuccessful) != 1 {
			t.Fatal(out, err)
		}
		in.ResourceIds = []string{"vpc-2"}
		if _, err := api.CreateFlowLogs(t.Context(), in); err != nil {
			t.Errorf("final %t: %v", final, err)
		}
	}
}

// TestTokenOfAnotherPrincipal: ClientTokens belong to the account and the Region, not to the principal. So an attacker
// in the account can use a token before Flowkeeper does.
func TestTokenOfAnotherPrincipal(t *testing.T) {
	t.Parallel()
	w, api := threeVPCs(t)
	own := ec2Client(w, w.User(acct, "flowkeeper", false))
	with := func(resource, token string) *ec2.CreateFlowLogsInput {
		return toBucket(resource, func(in *ec2.CreateFlowLogsInput) { in.ClientToken = &token })
	}
	theirs, err := api.CreateFlowLogs(t.Context(), with("vpc-1", "same"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := own.CreateFlowLogs(t.Context(), with("vpc-1", "same")); err != nil || out.FlowLogIds[0] != theirs.FlowLogIds[0] {
		t.Errorf("the same call: %v, %v", out, err)
	}
	if _, err := own.CreateFlowLogs(t.Context(), with("vpc-2", "same")); code(err) != "IdempotentParameterMismatch" {
		t.Errorf("another call: %v", err)
	}
	w.UseToken(acct, region, "same") // no effect: the token was used already
	if _, err := own.CreateFlowLogs(t.Context(), with("vpc-1", "same")); err != nil {
		t.Errorf("the same call again: %v", err)
	}
	w.Meet(func(q *fakeaws.Request) fakeawstest.Refusal { // another principal knows each token before the call
		w.UseToken(q.Account, q.Region, q.Form.Get("ClientToken"))
		return fakeawstest.Refusal{}
	})
	if _, err := own.CreateFlowLogs(t.Context(), with("vpc-2", "foreseen")); code(err) != "IdempotentParameterMismatch" {
		t.Errorf("a token that was used before: %v", err)
	}
	if _, err := own.CreateFlowLogs(t.Context(), toBucket("vpc-3", nil)); err != nil {
		t.Errorf("a call without a token: %v", err)
	}
	w.Meet(nil)
	if _, err := own.CreateFlowLogs(t.Context(), with("vpc-2", "foreseen"), func(o *ec2.Options) { o.Region = "us-east-1" }); code(err) != "InvalidVpcID.NotFound" {
		t.Errorf("in another Region: %v", err)
	}
}
