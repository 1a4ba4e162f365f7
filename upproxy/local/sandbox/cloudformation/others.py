"""Resources of IAM, CloudWatch, SNS, Route 53 and EventBridge Scheduler."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.sax.saxutils import escape

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.cloudformation.kinds import Kind, Made, Replaced
from upproxy.local.sandbox.cloudformation.services import Document, Services, part

_IAM = ("iam", "2010-05-08")
_SNS = ("sns", "2010-03-31")
_CLOUDWATCH = ("monitoring", "2010-08-01")
_LOGS = "Logs_20140328"
_SUBSCRIPTION = re.compile(r"<SubscriptionArn>(.*?)</SubscriptionArn>")
_NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"


class Role:
    """A role with the policies that are in it and those that are attached."""

    fixed: frozenset[str] | None = frozenset(("RoleName", "Path"))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        role, path = properties.get("RoleName") or name[:64], properties.get("Path", "/")
        wanted = {
            "RoleName": role, "Path": path, "Description": properties.get("Description", ""),
            "AssumeRolePolicyDocument": json.dumps(properties["AssumeRolePolicyDocument"]),
            "Tags": properties.get("Tags", []),
        }  # fmt: skip
        await services.query(*_IAM, "CreateRole", wanted)
        await self._grant(services, role, properties)
        return Made(role, {"Arn": f"arn:aws:iam::{ACCOUNT}:role{path}{role}"})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:
        """Change who may assume it, and what it may do."""
        role = made.physical_id
        document = json.dumps(after["AssumeRolePolicyDocument"])
        await services.query(*_IAM, "UpdateAssumeRolePolicy", {"RoleName": role, "PolicyDocument": document})
        await self._revoke(services, role, before)
        await self._grant(services, role, after)
        if after.get("Tags"):
            await services.query(*_IAM, "TagRole", {"RoleName": role, "Tags": after["Tags"]})
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Delete one with all that it may."""
        await self._revoke(services, made.physical_id, properties)
        await services.query(*_IAM, "DeleteRole", {"RoleName": made.physical_id})

    async def _grant(self, services: Services, role: str, properties: Document) -> None:
        for policy in properties.get("Policies", []):
            document = json.dumps(policy["PolicyDocument"])
            wanted = {"RoleName": role, "PolicyName": policy["PolicyName"], "PolicyDocument": document}
            await services.query(*_IAM, "PutRolePolicy", wanted)
        for arn in properties.get("ManagedPolicyArns", []):
            await services.query(*_IAM, "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn})

    async def _revoke(self, services: Services, role: str, properties: Document) -> None:
        for policy in properties.get("Policies", []):
            wanted = {"RoleName": role, "PolicyName": policy["PolicyName"]}
            await services.query(*_IAM, "DeleteRolePolicy", wanted)
        for arn in properties.get("ManagedPolicyArns", []):
            await services.query(*_IAM, "DetachRolePolicy", {"RoleName": role, "PolicyArn": arn})


class LogGroup:
    """A log group."""

    fixed: frozenset[str] | None = frozenset(("LogGroupName",))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        group = properties.get("LogGroupName") or name
        tags = {one["Key"]: one["Value"] for one in properties.get("Tags", [])}
        await services.target("logs", f"{_LOGS}.CreateLogGroup", {"logGroupName": group, "tags": tags})
        await self._retain(services, group, properties)
        return Made(group, {"Arn": f"arn:aws:logs:{services.region}:{ACCOUNT}:log-group:{group}:*"})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Change how long it keeps lines."""
        await self._retain(services, made.physical_id, after)
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        await services.target("logs", f"{_LOGS}.DeleteLogGroup", {"logGroupName": made.physical_id})

    async def _retain(self, services: Services, group: str, properties: Document) -> None:
        days = properties.get("RetentionInDays")
        if days is None:
            await services.target("logs", f"{_LOGS}.DeleteRetentionPolicy", {"logGroupName": group})
        else:
            wanted = {"logGroupName": group, "retentionInDays": int(days)}
            await services.target("logs", f"{_LOGS}.PutRetentionPolicy", wanted)


class MetricFilter:
    """A metric made of log lines."""

    fixed: frozenset[str] | None = frozenset(("FilterName", "LogGroupName"))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        made = Made(properties.get("FilterName") or name, {})
        return await self.change(services, made, {}, properties)

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Put it anew."""
        metrics = [{key[:1].lower() + key[1:]: one for key, one in metric.items()}
                   for metric in after["MetricTransformations"]]  # fmt: skip
        wanted = {
            "filterName": made.physical_id, "logGroupName": after["LogGroupName"],
            "filterPattern": after["FilterPattern"], "metricTransformations": metrics,
        }  # fmt: skip
        await services.target("logs", f"{_LOGS}.PutMetricFilter", wanted)
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Delete one."""
        wanted = {"filterName": made.physical_id, "logGroupName": properties["LogGroupName"]}
        await services.target("logs", f"{_LOGS}.DeleteMetricFilter", wanted)


class Alarm:
    """An alarm."""

    fixed: frozenset[str] | None = frozenset(("AlarmName",))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        alarm = properties.get("AlarmName") or name
        made = Made(alarm, {"Arn": f"arn:aws:cloudwatch:{services.region}:{ACCOUNT}:alarm:{alarm}"})
        return await self.change(services, made, {}, properties)

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Put it anew."""
        await services.query(*_CLOUDWATCH, "PutMetricAlarm", {**after, "AlarmName": made.physical_id})
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        await services.query(*_CLOUDWATCH, "DeleteAlarms", {"AlarmNames": [made.physical_id]})


class Topic:
    """A topic."""

    fixed: frozenset[str] | None = frozenset(("TopicName",))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        topic = properties.get("TopicName") or name
        await services.query(*_SNS, "CreateTopic", {"Name": topic, "Tags": properties.get("Tags", [])})
        arn = f"arn:aws:sns:{services.region}:{ACCOUNT}:{topic}"
        return Made(arn, {"TopicArn": arn, "TopicName": topic})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Change its tags."""
        if after.get("Tags"):
            await services.query(*_SNS, "TagResource", {"ResourceArn": made.physical_id, "Tags": after["Tags"]})
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        await services.query(*_SNS, "DeleteTopic", {"TopicArn": made.physical_id})


class Subscription(Replaced):
    """A subscription of a topic."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:  # noqa: ARG002
        """Make one."""
        wanted = {key: one for key, one in properties.items() if key in ("TopicArn", "Protocol", "Endpoint")}
        attributes = {key: one for key, one in properties.items() if key not in wanted}
        entries = [
            {"key": key, "value": one if isinstance(one, str) else json.dumps(one)} for key, one in attributes.items()
        ]
        wanted["Attributes"] = {"entry": {str(at): entry for at, entry in enumerate(entries, 1)}}
        found = _SUBSCRIPTION.search(await services.query(*_SNS, "Subscribe", wanted))
        return Made(found[1] if found else "", {})

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        await services.query(*_SNS, "Unsubscribe", {"SubscriptionArn": made.physical_id})


class RecordSet:
    """A DNS record."""

    fixed: frozenset[str] | None = frozenset(("Name", "Type", "HostedZoneId", "HostedZoneName", "SetIdentifier"))

    async def create(self, services: Services, properties: Document, name: str) -> Made:  # noqa: ARG002
        """Make one."""
        await self._do(services, "CREATE", properties)
        return Made(str(properties["Name"]), {})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Put it anew."""
        await self._do(services, "UPSERT", after)
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        await self._do(services, "DELETE", properties)

    async def _do(self, services: Services, action: str, properties: Document) -> None:
        await change_records(services, properties["HostedZoneId"], action, [properties])


class RecordSetGroup:
    """Several DNS records."""

    fixed: frozenset[str] | None = frozenset(("HostedZoneId", "HostedZoneName"))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make them."""
        await change_records(services, properties["HostedZoneId"], "CREATE", properties["RecordSets"])
        return Made(name, {})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:
        """Put them anew, and take away those that are gone."""
        kept = {(one["Name"], one["Type"], one.get("SetIdentifier")) for one in after["RecordSets"]}
        gone = [one for one in before["RecordSets"] if (one["Name"], one["Type"], one.get("SetIdentifier")) not in kept]
        if gone:
            await change_records(services, before["HostedZoneId"], "DELETE", gone)
        await change_records(services, after["HostedZoneId"], "UPSERT", after["RecordSets"])
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete them."""
        await change_records(services, properties["HostedZoneId"], "DELETE", properties["RecordSets"])


class Schedule:
    """A schedule of EventBridge Scheduler."""

    fixed: frozenset[str] | None = frozenset(("Name",))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""
        schedule = properties.get("Name") or name[:64]
        answer = await services.rest("scheduler", "POST", f"/schedules/{part(schedule)}", _unnamed(properties))
        return Made(schedule, {"Arn": answer["ScheduleArn"]})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Put it anew."""
        await services.rest("scheduler", "PUT", f"/schedules/{part(made.physical_id)}", _unnamed(after))
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Delete one."""
        group = f"?groupName={part(properties['GroupName'])}" if properties.get("GroupName") else ""
        await services.rest("scheduler", "DELETE", f"/schedules/{part(made.physical_id)}{group}")


async def change_records(services: Services, zone: str, action: str, records: list[Document]) -> None:
    """Create, put or delete records of a zone. Raises ApiError."""
    changes = "".join(
        f"<Change><Action>{action}</Action><ResourceRecordSet>{_record(one)}</ResourceRecordSet></Change>"
        for one in records
    )
    batch = f"<ChangeBatch><Changes>{changes}</Changes></ChangeBatch>"
    body = f'<ChangeResourceRecordSetsRequest xmlns="{_NAMESPACE}">{batch}</ChangeResourceRecordSetsRequest>'
    await services.xml("route53", f"/2013-04-01/hostedzone/{part(zone.removeprefix('/hostedzone/'))}/rrset/", body)


def _record(properties: Document) -> str:
    """Write a record as the API has it, whose order of elements is fixed."""
    text = "".join(
        _element(name, properties[name])
        for name in ("Name", "Type", "SetIdentifier", "Weight", "Region", "Failover", "MultiValueAnswer", "TTL")
        if name in properties
    )
    if values := properties.get("ResourceRecords"):
        records = "".join(f"<ResourceRecord>{_element('Value', value)}</ResourceRecord>" for value in values)
        text += f"<ResourceRecords>{records}</ResourceRecords>"
    if alias := properties.get("AliasTarget"):
        target = {"EvaluateTargetHealth": "false", **alias}
        inner = "".join(_element(name, target[name]) for name in ("HostedZoneId", "DNSName", "EvaluateTargetHealth"))
        text += f"<AliasTarget>{inner}</AliasTarget>"
    return text


def _element(name: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


def _unnamed(properties: Document) -> Document:
    return {key: one for key, one in properties.items() if key != "Name"}


KINDS: dict[str, Kind] = {
    "AWS::IAM::Role": Role(),
    "AWS::Logs::LogGroup": LogGroup(),
    "AWS::Logs::MetricFilter": MetricFilter(),
    "AWS::CloudWatch::Alarm": Alarm(),
    "AWS::SNS::Topic": Topic(),
    "AWS::SNS::Subscription": Subscription(),
    "AWS::Route53::RecordSet": RecordSet(),
    "AWS::Route53::RecordSetGroup": RecordSetGroup(),
    "AWS::Scheduler::Schedule": Schedule(),
}
