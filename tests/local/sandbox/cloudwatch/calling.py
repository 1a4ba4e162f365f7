"""CloudWatch's API in this process, called by botocore's serializers and read by its parsers, in each protocol."""

from datetime import UTC, datetime

import botocore.awsrequest
import botocore.parsers
import botocore.serialize
import botocore.session

from upproxy.local.sandbox.cloudwatch.api import CloudWatch
from upproxy.local.sandbox.cloudwatch.metrics import Metrics
from upproxy.local.sandbox.errors import ApiError, answer

PROTOCOLS = ("json", "query")
REGION = "us-east-1"
NOW = datetime(2026, 3, 4, 12, 30, 20, tzinfo=UTC)
MODEL = botocore.session.get_session().get_service_model("cloudwatch")


class Client:
    """A client of a CloudWatch of its own, whose time stands still."""

    def __init__(self, protocol="json", now=NOW):
        self._protocol = protocol
        self.metrics = Metrics()
        self.api = CloudWatch(self.metrics, now.timestamp)

    def __call__(self, operation, **parameters):
        """Call an operation and return the answer as a client sees it, with `Error` where it was refused."""
        model = MODEL.operation_model(operation)
        request = botocore.serialize.create_serializer(self._protocol).serialize_to_request(parameters, model)
        body, headers = request["body"], request["headers"]
        if self._protocol == "query":
            body = (
                botocore.awsrequest.AWSRequest("POST", "http://x", data=body, headers=headers).prepare().body.encode()
            )
        content_type = headers.get("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        try:
            done = self.api.call(REGION, operation, content_type, body)
        except ApiError as error:
            done = answer("monitoring", error, "1", content_type)
        response = {"body": done.body, "headers": dict(done.headers), "status_code": done.status}
        found = botocore.parsers.create_parser(self._protocol).parse(response, model.output_shape)
        found.pop("ResponseMetadata")
        return found
