"""The gateway in front of the function: an HTTP API or a REST API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-streaming-lambda-configure.html
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from upproxy.config import Config
from upproxy.config.endpoint import HTTP_API_TIMEOUT
from upproxy.config.settings import Throttle
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.stack.facts import Facts, Part, arn, attribute, log_group, reference, resource, substituted

# Each kind has logical ids of its own, since CloudFormation never changes the type of what is there under one.
HTTP_API, HTTP_STAGE = "HttpApi", "HttpApiStage"
REST_API, REST_STAGE = "RestApi", "RestApiStage"
_DEPLOYMENT = "RestApiDeployment"
_LOGS = "ApiLogs"
_FIELDS = {
    "time": "requestTimeEpoch",
    "request_id": "requestId",
    "ip": "identity.sourceIp",
    "method": "httpMethod",
    "path": "path",
    "protocol": "protocol",
    "status": "status",
    "size": "responseLength",
    "latency": "responseLatency",
    "integration_latency": "integrationLatency",
    "user_agent": "identity.userAgent",
}
_FORMAT = {**{name: f"$context.{field}" for name, field in _FIELDS.items()}, "error": "$context.error.message"}
_HTTP_FORMAT = {**_FORMAT, "integration_error": "$context.integrationErrorMessage"}
_REST_FORMAT = {**_FORMAT, "integration_error": "$context.integration.error"}


def http_api(config: Config, names: Names, facts: Facts) -> Part:
    """Return an HTTP API that hands all requests to the alias, as payload 2.0."""
    throttle = config.settings.throttle
    return Part(
        {
            HTTP_API: resource(
                "ApiGatewayV2::Api", Name=names.function, ProtocolType="HTTP", IpAddressType="dualstack"
            ),
            "HttpApiIntegration": resource(
                "ApiGatewayV2::Integration",
                ApiId=reference(HTTP_API),
                IntegrationType="AWS_PROXY",
                IntegrationUri=facts.alias,
                PayloadFormatVersion="2.0",
                TimeoutInMillis=HTTP_API_TIMEOUT * 1000,
            ),
            "HttpApiRoute": resource(
                "ApiGatewayV2::Route",
                ApiId=reference(HTTP_API),
                RouteKey="$default",
                AuthorizationType=_authorization(config),
                Target=substituted("integrations/${HttpApiIntegration}"),
            ),
            HTTP_STAGE: resource(
                "ApiGatewayV2::Stage",
                ApiId=reference(HTTP_API),
                StageName="$default",
                AutoDeploy=True,
                AccessLogSettings=_access_log(_HTTP_FORMAT),
                DefaultRouteSettings=_limits(throttle) if throttle else None,
            ),
            _LOGS: log_group(config, names.gateway_log_group),
            "ApiPermission": _permission(facts, HTTP_API, "*/$default"),
        },
        {"Url": substituted("https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/")},
    )


def rest_api(config: Config, names: Names, facts: Facts) -> Part:
    """Return a REST API that hands all requests to the alias and passes on its replies while they are made."""
    methods = {
        "RestApiRootMethod": _method(config, facts, attribute(REST_API, "RootResourceId")),
        "RestApiProxyMethod": _method(config, facts, reference("RestApiProxy")),
    }
    api = resource(
        "ApiGateway::RestApi",
        Name=names.function,
        EndpointConfiguration={"Types": ["REGIONAL"], "IpAddressType": "dualstack"},
        BinaryMediaTypes=["*/*"],
    )
    proxy = resource(
        "ApiGateway::Resource",
        RestApiId=reference(REST_API),
        ParentId=attribute(REST_API, "RootResourceId"),
        PathPart="{proxy+}",
    )
    # A deployment is a copy of what is there when it is made, and is only made under a name that is new.
    deployment = _DEPLOYMENT + hashlib.sha256(json.dumps([api, proxy, methods]).encode()).hexdigest()[:8]
    throttle = config.settings.throttle
    stage = resource(
        "ApiGateway::Stage",
        RestApiId=reference(REST_API),
        DeploymentId=reference(deployment),
        StageName=ALIAS,
        AccessLogSetting=_access_log(_REST_FORMAT) if facts.gateway_logs else None,
        MethodSettings=[{"HttpMethod": "*", "ResourcePath": "/*", **_limits(throttle)}] if throttle else None,
    )
    return Part(
        {
            REST_API: api,
            "RestApiProxy": proxy,
            **methods,
            deployment: {
                **resource("ApiGateway::Deployment", RestApiId=reference(REST_API)),
                "DependsOn": sorted(methods),
            },
            REST_STAGE: stage,
            **({_LOGS: log_group(config, names.gateway_log_group)} if facts.gateway_logs else {}),
            "ApiPermission": _permission(facts, REST_API, "*/*/*"),
        },
        {"Url": substituted("https://${RestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${RestApiStage}/")},
    )


def _method(config: Config, facts: Facts, parent: Any) -> dict[str, Any]:
    uri = (
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2021-11-15/functions/${Alias}"
        "/response-streaming-invocations"
    )
    return resource(
        "ApiGateway::Method",
        RestApiId=reference(REST_API),
        ResourceId=parent,
        HttpMethod="ANY",
        AuthorizationType=_authorization(config),
        Integration={
            "Type": "AWS_PROXY",
            "IntegrationHttpMethod": "POST",
            "ResponseTransferMode": "STREAM",
            "TimeoutInMillis": config.settings.lambda_.timeout * 1000,
            "Uri": substituted(uri, Alias=facts.alias),
        },
    )


def _authorization(config: Config) -> str:
    return "AWS_IAM" if config.settings.lambda_.url_auth == "iam" else "NONE"


def _limits(throttle: Throttle) -> dict[str, float]:
    """Return the limits, which are named alike in both kinds of API."""
    burst = throttle.burst or math.ceil(throttle.rate)
    return {"ThrottlingRateLimit": throttle.rate, "ThrottlingBurstLimit": burst}


def _access_log(format_: dict[str, str]) -> dict[str, Any]:
    return {"DestinationArn": arn("logs", f"log-group:${{{_LOGS}}}"), "Format": json.dumps(format_)}


def _permission(facts: Facts, api: str, source: str) -> dict[str, Any]:
    return resource(
        "Lambda::Permission",
        FunctionName=facts.alias,
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=arn("execute-api", f"${{{api}}}/{source}"),
    )
