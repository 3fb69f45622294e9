"""Runs a policy of Cloud Custodian as its Lambda function does, once for each event on standard input.

The working directory has the function's config.json. Each line of standard input is an event; each line of standard
output says that one was handled.
"""

import json
import logging
import sys

from c7n import handler

logging.disable(logging.CRITICAL)  # what the function logs is not measured
answers, sys.stdout = sys.stdout, sys.stderr
print("ready", file=answers, flush=True)
for line in sys.stdin:
    handler.dispatch_event(json.loads(line), None)
    print("handled", file=answers, flush=True)
