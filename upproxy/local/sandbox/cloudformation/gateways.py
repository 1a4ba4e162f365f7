"""Resources of API Gateway: HTTP APIs, REST APIs, domains."""

from __future__ import annotations

import uuid
from typing import Any

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.cloudformation.kinds import Kind, Made, Replaced, Rest
from upproxy.local.sandbox.cloudformation.services import Document, Services, lowered, part

_SERVICE = "apigateway"
_V2 = "/v2/apis/{ApiId}"
_V1 = "/restapis/{RestApiId}"
_ZONE = "Z1UJRXOUMOOFQ8"  # of the regional endpoints of us-east-1


class RestApi(Rest):
    """A REST API, with the id of its root."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one, and look up its root."""
        made = await super().create(services, properties, name)
        found = await services.rest(_SERVICE, "GET", f"/restapis/{part(made.physical_id)}/resources")
        items: list[Document] = found.get("item") or found["_embedded"]["item"]
        root = next(one["id"] for one in items if one["path"] == "/")
        return Made(made.physical_id, {"RootResourceId": root, "RestApiId": made.physical_id})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Change its name and description."""
        await _patch(services, f"/restapis/{part(made.physical_id)}", after, ("Name", "Description"))
        return made


class Resource(Replaced):
    """A resource of a REST API."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:  # noqa: ARG002
        """Make one."""
        path = f"/restapis/{part(properties['RestApiId'])}/resources/{part(properties['ParentId'])}"
        answer = await services.rest(_SERVICE, "POST", path, {"pathPart": properties["PathPart"]})
        return Made(answer["id"], {"ResourceId": answer["id"]})

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Delete one."""
        path = f"/restapis/{part(properties['RestApiId'])}/resources/{part(made.physical_id)}"
        await services.rest(_SERVICE, "DELETE", path)


class Method:
    """A method of a REST API, with its integration."""

    fixed: frozenset[str] | None = frozenset(("RestApiId", "ResourceId", "HttpMethod"))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        path = _method_path(properties)
        body = lowered({key: value for key, value in properties.items() if key in ("AuthorizationType", "AuthorizerId",
                                                                                  "ApiKeyRequired")})  # fmt: skip
        await services.rest(_SERVICE, "PUT", path, body)
        if integration := properties.get("Integration"):
            body = lowered(integration)
            body["httpMethod"] = body.pop("integrationHttpMethod", None)
            await services.rest(_SERVICE, "PUT", f"{path}/integration", body)
        return Made(f"{name[:40]}-{uuid.uuid4().hex[:8]}", {})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:
        """Put it again."""
        await services.rest(_SERVICE, "DELETE", _method_path(before))
        await self.create(services, after, "")
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        await services.rest(_SERVICE, "DELETE", _method_path(properties))


class RestStage(Rest):
    """A stage of a REST API."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        kept = ("RestApiId", "StageName", "DeploymentId", "Description", "Variables", "TracingEnabled", "Tags")
        return await super().create(services, {key: properties[key] for key in kept if key in properties}, name)

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Point it at another deployment."""
        await _patch(services, self._item(made, after), after, ("DeploymentId", "Description"))
        return made


class Deployment(Replaced):
    """A deployment of a REST API."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:  # noqa: ARG002
        """Make one."""
        path = f"/restapis/{part(properties['RestApiId'])}/deployments"
        answer = await services.rest(_SERVICE, "POST", path, {"description": properties.get("Description", "")})
        return Made(answer["id"], {"DeploymentId": answer["id"]})

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Delete one."""
        path = f"/restapis/{part(properties['RestApiId'])}/deployments/{part(made.physical_id)}"
        await services.rest(_SERVICE, "DELETE", path)


class DomainName(Rest):
    """A domain of either kind of API."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        made = await super().create(services, properties, name)
        target = f"d-{uuid.uuid4().hex[:10]}.execute-api.{services.region}.amazonaws.com"
        return Made(made.physical_id, {"RegionalDomainName": target, "RegionalHostedZoneId": _ZONE})


class ApiMapping(Replaced):
    """What a domain leads to. moto knows mappings of HTTP APIs alone, so that it is put there by hand."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:  # noqa: ARG002
        """Make one."""
        from moto.apigatewayv2.models import ApiMapping as Mapping

        identifier = uuid.uuid4().hex[:6]
        _mappings(services)[identifier] = Mapping(
            api_id=properties["ApiId"], api_mapping_key=properties.get("ApiMappingKey") or "",
            api_mapping_id=identifier, domain_name=properties["DomainName"], stage=properties["Stage"],
        )  # fmt: skip
        return Made(identifier, {"ApiMappingId": identifier})

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        _mappings(services).pop(made.physical_id, None)


class Account:
    """The role with which API Gateway writes logs."""

    fixed: frozenset[str] | None = frozenset()

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Set it."""
        await _patch(services, "/account", {"cloudwatchRoleArn": properties.get("CloudWatchRoleArn")},
                     ("cloudwatchRoleArn",))  # fmt: skip
        return Made(name, {})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Set it anew."""
        await self.create(services, after, made.physical_id)
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Leave it as it is, as AWS does."""


def _mappings(services: Services) -> dict[str, Any]:
    from moto.apigatewayv2.models import apigatewayv2_backends

    return apigatewayv2_backends[ACCOUNT][services.region].api_mappings


def _method_path(properties: Document) -> str:
    resource = f"/restapis/{part(properties['RestApiId'])}/resources/{part(properties['ResourceId'])}"
    return f"{resource}/methods/{part(properties['HttpMethod'])}"


async def _patch(services: Services, path: str, properties: Document, names: tuple[str, ...]) -> None:
    operations = [
        {"op": "replace", "path": f"/{name[:1].lower()}{name[1:]}", "value": properties[name]}
        for name in names
        if properties.get(name) is not None
    ]
    await services.rest(_SERVICE, "PATCH", path, {"patchOperations": operations})


KINDS: dict[str, Kind] = {
    "AWS::ApiGatewayV2::Api": Rest(
        _SERVICE,
        "/v2/apis",
        "apiId",
        frozenset(("ProtocolType",)),
        {"ApiEndpoint": ("apiEndpoint",), "ApiId": ("apiId",)},
    ),
    "AWS::ApiGatewayV2::Integration": Rest(_SERVICE, f"{_V2}/integrations", "integrationId", frozenset(("ApiId",))),
    "AWS::ApiGatewayV2::Route": Rest(_SERVICE, f"{_V2}/routes", "routeId", frozenset(("ApiId",))),
    "AWS::ApiGatewayV2::Stage": Rest(_SERVICE, f"{_V2}/stages", "stageName", frozenset(("ApiId", "StageName"))),
    "AWS::ApiGatewayV2::DomainName": DomainName(_SERVICE, "/v2/domainnames", "domainName", frozenset(("DomainName",))),
    "AWS::ApiGatewayV2::ApiMapping": ApiMapping(),
    "AWS::ApiGateway::RestApi": RestApi(_SERVICE, "/restapis", "id", frozenset()),
    "AWS::ApiGateway::Resource": Resource(),
    "AWS::ApiGateway::Method": Method(),
    "AWS::ApiGateway::Deployment": Deployment(),
    "AWS::ApiGateway::Stage": RestStage(_SERVICE, f"{_V1}/stages", "stageName", frozenset(("RestApiId", "StageName"))),
    "AWS::ApiGateway::DomainName": DomainName(_SERVICE, "/domainnames", "domainName", frozenset(("DomainName",))),
    "AWS::ApiGateway::BasePathMapping": Rest(_SERVICE, "/domainnames/{DomainName}/basepathmappings", "basePath"),
    "AWS::ApiGateway::Account": Account(),
}
