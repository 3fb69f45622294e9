package detection

import (
	"strings"

	"flowkeeper/internal/cloudtrail"
)

// via returns what made the call: the AWS service that made it for somebody, the console, or
// the tool in its user agent, which is only a claim; empty: not known.
func via(r cloudtrail.Record) string {
	for _, s := range []string{r.Identity.InvokedBy, r.SourceIP} {
		if strings.HasSuffix(s, ".amazonaws.com") {
			return s
		}
	}
	agent := r.UserAgent
	switch {
	case r.Identity.Console:
		return "console"
	case strings.HasSuffix(agent, ".amazonaws.com") && !strings.HasPrefix(agent, "console."):
		return agent
	}
	for _, t := range tools {
		if strings.Contains(agent, t.mark) {
			return t.name
		}
	}
	return ""
}

// tools by a part of their user agents, the most specific first: Terraform's user agent also
// has that of its SDK.
var tools = []struct{ mark, name string }{
	{"console.", "console"}, {"Mozilla/", "console"}, {"AWS Internal", "console"},
	{"Terraform", "Terraform"}, {"OpenTofu", "OpenTofu"}, {"Pulumi", "Pulumi"}, {"Crossplane", "Crossplane"}, {"Ansible", "Ansible"},
	{"aws-cli/", "CLI"}, {"AWSPowerShell", "CLI"},
	{"Boto3/", "SDK for Python"}, {"Botocore/", "SDK for Python"}, {"aws-sdk-go", "SDK for Go"}, {"aws-sdk-java", "SDK for Java"},
	{"aws-sdk-js", "SDK for JavaScript"}, {"aws-sdk-nodejs", "SDK for JavaScript"}, {"aws-sdk-rust", "SDK for Rust"},
	{"aws-sdk-dotnet", "SDK for .NET"}, {"aws-sdk-ruby", "SDK for Ruby"}, {"aws-sdk-php", "SDK for PHP"}, {"aws-sdk-cpp", "SDK for C++"},
}
