package contract_test

// localStackSkips says how LocalStack 4.14 (its EC2 is moto) differs from AWS, by the name of the case.
func localStackSkips() map[string]string {
	return map[string]string{
		"create/log group by ARN delivers":                "shows FAILED \"Access error\" for any log group given by ARN",
		"create/destination options":                      "drops DestinationOptions",
		"create/several, of which one does not exist":     "makes those before the one that it refuses",
		"create/several, of which one has it already":     "makes those before the one that it refuses",
		"refused/tags for another type":                   "does not check a tag specification's type",
		"refused/tag of AWS's own":                        "accepts tags that begin with aws:",
		"refused/role for S3":                             "accepts a delivery role for S3",
		"token/repeated answers with the first result":    "ignores ClientToken: FlowLogAlreadyExists instead",
		"token/with other parameters is refused":          "ignores ClientToken: FlowLogAlreadyExists instead",
		"token/repeated for several resources":            "ignores ClientToken: FlowLogAlreadyExists instead",
		"token/with one resource more is refused":         "ignores ClientToken: FlowLogAlreadyExists instead",
		"tags/refused: unknown flow log":                  "does not look for the flow logs that it tags",
		"tags/refused: tag of AWS's own":                  "accepts tags that begin with aws:",
		"tags/refused: key twice":                         "takes the last value",
		"tags/refused: no tag":                            "does nothing",
		"describe/pages":                                  "ignores MaxResults: everything comes in one page",
		"delete/of the network takes its flow logs along": "keeps the flow logs of deleted resources",
		"delete/partly unknown names the unknown":         "deletes the known ones, then answers InvalidFlowLogId.NotFound for the whole call",
	}
}

// fakeSkips says how the fake AWS of this repository differs.
func fakeSkips() map[string]string { return map[string]string{} }
