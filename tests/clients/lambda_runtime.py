"""Lambda's Python runtime, as far as the sample sees it: hands the Runtime API's events to `orders.handler`."""

import json
import os
from urllib.request import Request, urlopen

from orders import handler

runtime = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
while True:
    with urlopen(runtime + "next") as invocation:
        request_id, event = invocation.headers["Lambda-Runtime-Aws-Request-Id"], json.load(invocation)
    urlopen(Request(f"{runtime}{request_id}/response", json.dumps(handler(event, None)).encode())).close()
