package sigma_test

import "strconv"

// flowLogCalls are calls that create or delete flow logs, in every form that their records have.
func flowLogCalls() (out []record) {
	out = append(out, deletions()...)
	for _, o := range outcomes {
		for _, event := range []string{"DeleteFlowLogs", "CreateFlowLogs"} {
			e := calls["ec2"][event]
			c := o.of(call{source: "ec2" + aws, event: event, request: e.request, response: e.response})
			out = append(out, record{name: event + ": " + o.name, raw: c.json()})
		}
	}
	for _, id := range identities {
		e := calls["ec2"]["DeleteFlowLogs"]
		c := call{source: "ec2" + aws, event: "DeleteFlowLogs", identity: id.json, request: e.request, response: e.response}
		out = append(out, record{name: "DeleteFlowLogs: by " + id.name, raw: c.json()})
	}
	return append(out, creations()...)
}

func deletions() []record {
	of := func(name, request, response string, nothing bool) record {
		c := call{source: "ec2" + aws, event: "DeleteFlowLogs", request: request, response: response}
		return record{name: "DeleteFlowLogs: " + name, raw: c.json(), nothingDone: nothing}
	}
	thousand := ""
	for i := range 1000 {
		thousand += `,{"tag":` + strconv.Itoa(i+1) + `,"content":"fl-` + strconv.FormatInt(0x10000000+int64(i), 16) + `"}`
	}
	return []record{
		of("one ID", deleteFlowLogs(one), deleted(`""`), false),
		of("several IDs", deleteFlowLogs(several), deleted(`""`), false),
		of("a thousand IDs", deleteFlowLogs(`"FlowLogId":[`+thousand[1:]+`]`), deleted(`""`), false),
		of("several IDs, one refused", deleteFlowLogs(several), deleted(refusedIDs(2)), false),
		of("several IDs, two refused", deleteFlowLogs(several), deleted(refusedIDs(1, 3)), false),
		of("one ID, refused inside a 200", deleteFlowLogs(one), deleted(refusedIDs(1)), true),
		of("several IDs, all refused inside a 200", deleteFlowLogs(several), deleted(refusedIDs(1, 2, 3)), true),
		of("parameters omitted", `{"omitted":true,"originalSize":300000,"reason":"requestParameters too large"}`, deleted(`""`), false),
		of("no parameters", "null", "", false),
		of("no wrapper", `{`+one+`}`, "", false),
		of("a shape of tomorrow", `{"flowLogIdSet":{"items":[{"flowLogId":"fl-0aaaaaaaaaaaaaaa1"}]}}`, "", false),
	}
}

func creations() []record {
	of := func(name, request, code, response string, nothing bool) record {
		c := call{source: "ec2" + aws, event: "CreateFlowLogs", request: request, errorCode: code, response: response}
		return record{name: "CreateFlowLogs: " + name, raw: c.json(), nothingDone: nothing}
	}
	const rehearsal = `"DryRun":true,"ClientToken":"flowkeeper-rehearsal-x-1-1"`
	failed := `{"item":{"error":{"code":"400","message":"LogDestination does not exist"},"resourceId":"vpc-0aaaaaaaaaaaaaaa1"}}`
	return []record{
		of("one", createFlowLogs(), "", created(`{"item":"fl-0aaaaaaaaaaaaaaa9"}`, `""`), false),
		of("several", createFlowLogs(), "", created(`{"item":["fl-0aaaaaaaaaaaaaaa8","fl-0aaaaaaaaaaaaaaa9"]}`, `""`), false),
		of("one made, one refused", createFlowLogs(), "", created(`{"item":"fl-0aaaaaaaaaaaaaaa9"}`, failed), false),
		of("all refused inside a 200", createFlowLogs(), "", created(`""`, failed), true),
		of("a 200 that made none and says no more", createFlowLogs(), "", created(`""`, `""`), true),
		of("there already", createFlowLogs(), `"Client.FlowLogAlreadyExists"`, "", false),
		of("a rehearsal, allowed", createFlowLogs(rehearsal), `"Client.DryRunOperation"`, "", false),
		of("a rehearsal, refused", createFlowLogs(rehearsal), `"Client.UnauthorizedOperation"`, "", false),
		of("a real call with a rehearsal's token", createFlowLogs(`"ClientToken":"flowkeeper-rehearsal-x-1-1"`), "", created(`{"item":"fl-0aaaaaaaaaaaaaaa9"}`, `""`), false),
	}
}
