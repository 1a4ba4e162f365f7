"""The least policy: what is in it, that IAM knows all of it, and that the calls we make need it and no more."""

import itertools
import json
import re

import pytest

from tests.aws.moto_server import ACCOUNT, REGION
from tests.deploy.permissions import (
    Need,
    allowed,
    asked_by,
    calls_of_modules,
    known_to_iam,
    needs_of,
    recording,
    refused,
    unused,
)
from tests.deploy.stack.configurations import FEATURES as STACKS
from tests.deploy.stack.configurations import configuration, facts
from upproxy import config
from upproxy.aws.actions import action_of
from upproxy.aws.artefacts import Artefacts
from upproxy.aws.functions import Functions
from upproxy.aws.log_groups import LogGroups
from upproxy.aws.roles import Roles
from upproxy.aws.session import Session
from upproxy.deploy import policy
from upproxy.deploy.environment import Variables
from upproxy.deploy.names import Names, bucket
from upproxy.deploy.policy import MOST, document, length, needs_stack, statements
from upproxy.deploy.stack.template import template
from upproxy.deploy.wanted import Account

IAM = known_to_iam()
WHERE = Account("aws", ACCOUNT)
NAMES = Names("shop", "staging")
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0a1b2c3d"
FEATURES = {
    "plain": "",
    "own role": "lambda: {role: 'arn:aws:iam::123456789012:role/shop'}",
    "concurrency": "lambda: {concurrency: 50, provisioned: 2, accelerate: true}",
    "vpc": "lambda: {vpc: {subnets: [subnet-1], security_groups: [sg-1]}}",
    "layers": "lambda: {layers: ['arn:aws:lambda:eu-central-1:123456789012:layer:fonts:3']}",
    "http_api": "endpoint: http_api",
    "rest_api": "endpoint: rest_api",
    "domain": "stages: {staging: {domain: shop.example}}",
    "own certificate": f"stages: {{staging: {{domain: shop.example, zone: false, cert: '{CERTIFICATE}'}}}}",
    "dns": "dns: {shop.example: [{name: mail.shop.example, type: MX, value: [10 mx.example]}]}",
    "warm": "warm: {count: 3}",
    "alerts": "alerts: [{metric: http.latency, statistic: p95, threshold: 1500}]",
    "notifier": "alerts: true\nactions: [{name: chat, type: slack, url: '${SLACK_URL}'}]",
}


@pytest.fixture
def of(tmp_path):
    """Return the statements that an up.yml comes to."""

    def made(feature="plain", regions=(REGION,), stage="staging"):
        text = FEATURES.get(feature, feature)
        (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
        (tmp_path / "up.yml").write_text(f"name: shop\n{text}\n")
        return statements(config.load(str(tmp_path), stage), WHERE, regions)

    return made


def actions_of(found):
    return {action for statement in found for action in statement["Action"]}


# --- Its form


@pytest.mark.parametrize("feature", FEATURES)
def test_it_is_a_policy(of, feature):
    found = of(feature)
    sids = [statement["Sid"] for statement in found]
    assert len(sids) == len(set(sids))
    for statement in found:
        assert re.fullmatch(r"[A-Za-z]+", statement["Sid"])
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert statement["Action"]
        assert statement["Resource"]
    assert document(found)["Version"] == "2012-10-17"
    assert length(document(found)) < MOST


@pytest.mark.parametrize("feature", FEATURES)
def test_iam_knows_each_action_and_that_it_works_on_these_resources(of, feature):
    """An action on a resource that it does not know allows nothing; one that knows none needs `*`."""
    for statement in of(feature):
        for action in statement["Action"]:
            service, _, name = action.partition(":")
            assert "*" not in name
            assert name.lower() in IAM[service]["Actions"], action
            kinds = IAM[service]["Actions"][name.lower()].get("Resources", [])
            if service == "lambda" and name == "GetLayerVersion":
                kinds = ["layerVersion"]
            if service == "cloudwatch" and name == "GetMetricData":
                kinds = []  # but for data sets, which AWS's own metrics are not part of
            if not kinds:
                assert statement["Resource"] == ["*"], f"{action} knows no resource"
                continue
            assert "*" not in statement["Resource"], f"{action} knows resources"
            formats = [
                form for kind in kinds for form in IAM[service]["Resources"].get(kind.lower(), {}).get("ARNFormats", [])
            ]
            assert any(of_kind(arn, form) for arn in statement["Resource"] for form in formats), (action, formats)


def of_kind(arn, form):
    """Whether an ARN is of a form such as `arn:${Partition}:lambda:${Region}:${Account}:function:.*`."""
    places = {"Partition": "aws", "Region": r"[a-z0-9-]*", "Account": r"[0-9]*"}
    pattern = re.sub(r"\$\{(\w+)\}", lambda found: places.get(found[1], ".*"), form)
    return re.fullmatch(pattern, arn) is not None


def test_everything_is_of_this_app_stage_account_and_region(of):
    for feature, statement in itertools.chain.from_iterable(((f, s) for s in of(f)) for f in FEATURES):
        sid = statement["Sid"]
        for arn in statement["Resource"]:
            if arn == "*" or sid == "Layers":
                continue
            _, _, service, region, account, resource = arn.split(":", 5)
            assert region in (REGION, ""), arn
            assert account in (ACCOUNT, ""), arn
            if service == "s3":
                assert resource.startswith(f"upproxy-{ACCOUNT}-{REGION}")
                assert resource.endswith(("/shop-staging/*", REGION))
            elif service not in ("acm", "route53", "apigateway") and feature != "own role" and "GatewayRole" not in sid:
                assert re.search(rf"shop[-/]staging(-?[*]|[:/]|$|-(warmer|notifier|schedule)-{REGION}$)", resource), arn


def test_what_is_not_configured_is_not_allowed(of):
    plain = actions_of(of())
    services = {action.partition(":")[0] for action in plain}
    assert services == {"acm", "cloudformation", "cloudwatch", "iam", "lambda", "logs", "s3", "ssm"}
    assert "acm:RequestCertificate" not in plain
    assert {"cloudformation:DescribeStacks", "cloudformation:DeleteStack"} < plain
    assert "cloudformation:CreateChangeSet" not in plain
    for action, feature in (
        ("lambda:PutFunctionConcurrency", "concurrency"), ("lambda:PutProvisionedConcurrencyConfig", "concurrency"),
        ("s3:PutAccelerateConfiguration", "concurrency"), ("ec2:DescribeSubnets", "vpc"),
        ("lambda:GetLayerVersion", "layers"), ("apigateway:POST", "rest_api"), ("logs:CreateLogDelivery", "http_api"),
        ("acm:RequestCertificate", "domain"), ("route53:ChangeResourceRecordSets", "dns"),
        ("scheduler:CreateSchedule", "warm"), ("cloudwatch:PutMetricAlarm", "alerts"), ("sns:Subscribe", "alerts"),
        ("cloudformation:CreateChangeSet", "warm"),
    ):  # fmt: skip
        assert action in actions_of(of(feature)), (action, feature)
        assert action not in plain
    assert "lambda:CreateFunctionUrlConfig" not in actions_of(of("http_api"))
    assert not {"acm:RequestCertificate", "route53:ChangeResourceRecordSets"} & actions_of(of("own certificate"))
    assert allowed(of("own certificate"), Need("acm:DescribeCertificate", CERTIFICATE))
    assert "iam:CreateRole" not in actions_of(of("own role"))


@pytest.mark.parametrize("feature", FEATURES)
def test_a_stack_is_there_for_what_the_release_path_cannot_make(of, feature, tmp_path):
    of(feature)
    wants = feature in ("http_api", "rest_api", "domain", "own certificate", "dns", "warm", "alerts", "notifier")
    assert needs_stack(config.load(str(tmp_path), "staging").settings) is wants


def test_several_regions(of):
    found = of(regions=("eu-central-1", "us-east-1"))
    for region in ("eu-central-1", "us-east-1"):
        assert allowed(found, Need("lambda:UpdateAlias", f"arn:aws:lambda:{region}:{ACCOUNT}:function:shop-staging"))
        assert allowed(found, Need("s3:PutObject", f"arn:aws:s3:::upproxy-{ACCOUNT}-{region}/shop-staging/x.zip"))
    assert not allowed(found, Need("lambda:UpdateAlias", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:shop-staging"))


def test_roles_are_passed_to_nothing_but_lambda(of):
    role = f"arn:aws:iam::{ACCOUNT}:role/upproxy-shop-staging"
    to = lambda service: (("iam:PassedToService", (service,)),)  # noqa: E731
    assert allowed(of(), Need("iam:PassRole", role, to("lambda.amazonaws.com")))
    assert not allowed(of(), Need("iam:PassRole", role, to("ec2.amazonaws.com")))
    assert not allowed(of(), Need("iam:PassRole", role))
    assert not allowed(of(), Need("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", to("lambda.amazonaws.com")))
    own = "arn:aws:iam::123456789012:role/shop"
    assert allowed(of("own role"), Need("iam:PassRole", own, to("lambda.amazonaws.com")))
    scheduler = Need("iam:PassRole", f"{role}-schedule-{REGION}", to("scheduler.amazonaws.com"))
    assert allowed(of("warm"), scheduler)
    assert not allowed(of(), scheduler)


def test_other_stages_and_apps_are_out_of_reach(of):
    found = of("warm")
    for name in ("shop-production", "shop-staging2", "shop-staging-x", "shop", "other"):
        assert not allowed(found, Need("lambda:UpdateAlias", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")), (
            name
        )
    for path in ("/upproxy/shop/production/AB", "/upproxy/shop/staging2/AB", "/upproxy/shopstaging"):
        assert not allowed(found, Need("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{path}")), path
    assert not allowed(found, Need("s3:GetObject", f"arn:aws:s3:::upproxy-{ACCOUNT}-{REGION}/shop-production/x.zip"))


def test_certificates_and_records_of_others_are_out_of_reach(of):
    found = of("domain")
    ours = (("aws:RequestTag/upproxy:app", ("shop",)), ("aws:RequestTag/upproxy:stage", ("staging",)))
    assert allowed(found, Need("acm:RequestCertificate", "*", ours))
    assert not allowed(found, Need("acm:RequestCertificate", "*", ours[:1]))
    assert not allowed(found, Need("acm:RequestCertificate", "*"))
    certificate = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/x"
    tagged = tuple((key.replace("Request", "Resource"), value) for key, value in ours)
    assert allowed(found, Need("acm:DeleteCertificate", certificate, tagged))
    assert not allowed(found, Need("acm:DeleteCertificate", certificate))
    key, zone = policy._RECORDS, "arn:aws:route53:::hostedzone/Z1"
    change = lambda *names: Need("route53:ChangeResourceRecordSets", zone, ((key, names),))  # noqa: E731
    assert allowed(found, change("shop.example", "_x.shop.example"))
    assert not allowed(found, change("shop.example", "other.example"))


def test_the_first_domain_of_an_account_makes_a_role_of_gateways(of):
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"
    made = lambda service: Need("iam:CreateServiceLinkedRole", role, (("iam:AWSServiceName", (service,)),))  # noqa: E731
    assert allowed(of("domain"), made("ops.apigateway.amazonaws.com"))
    assert not allowed(of("domain"), made("lambda.amazonaws.com"))
    assert not allowed(of("http_api"), made("ops.apigateway.amazonaws.com"))


def test_the_account_of_gateways_is_looked_at_and_not_changed(of):
    account = f"arn:aws:apigateway:{REGION}::/account"
    assert allowed(of("rest_api"), Need("apigateway:GET", account))
    assert not allowed(of("rest_api"), Need("apigateway:PATCH", account))


def test_all_at_once_is_too_long_and_is_counted(of):
    text = "\n".join(FEATURES[name] for name in ("domain", "warm", "alerts", "vpc", "dns"))
    found = document(of(text))
    assert length(found) > MOST
    assert length(found) == len(re.sub(r"\s", "", json.dumps(found)))


def test_long_names_are_covered(tmp_path):
    """Names that are too long are cut, and what begins like them is ours."""
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    name = "a" * 39
    (tmp_path / "up.yml").write_text(f"name: {name}\nwarm: {{count: 1}}\nstages: {{{'b' * 24}: {{}}}}\n")
    names = Names(name, "b" * 24)
    found = statements(config.load(str(tmp_path), "b" * 24), WHERE, [REGION])
    for role in (names.role, names.role_of(f"warmer-{REGION}"), names.role_of(f"schedule-{REGION}")):
        assert allowed(found, Need("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/{role}"))
    warmer = names.role_of("warmer")
    assert allowed(found, Need("lambda:GetFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{warmer}"))
    assert allowed(
        found, Need("scheduler:GetSchedule", f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{warmer}")
    )


# --- Kept true


def test_what_our_modules_call_is_allowed_and_nothing_else_is_in_it(of, aws):
    """Everything that the thin modules do for a plain stage, which together is what the commands can do."""
    with recording(ACCOUNT) as needs:
        use_everything(Session())
    assert refused(of("concurrency"), needs) == []
    # What only looking is done with, and what only stacks need.
    left = {action for action in unused(of("concurrency"), needs) if not action.startswith(("acm:", "cloudformation:"))}
    assert left == {
        "cloudwatch:GetMetricData", "logs:FilterLogEvents", "logs:GetQueryResults", "logs:StartLiveTail",
        "logs:StartQuery", "logs:StopQuery",
    }  # fmt: skip


NEVER = re.compile(
    r"^(elasticfilesystem|s3files|firehose|kms|s3):"  # file systems, delivery streams, keys, code and APIs from S3
    r"|RolePolicy$|PermissionsBoundary$"  # policies of AWS's own, boundaries
    r"|CodeSigning|RuntimeManagement|Recursion|Scaling|CapacityProvider|RuntimeAlias|NetworkInterfaces"
    r"|DataProtection|IndexPolic|BearerToken|KmsKey|ResourcePolic|LogDelivery|DeletionProtection"
    r"|:List(Roles|Functions|Schedules|Topics|Subscriptions)$|UpdateRestApiPolicy$|lambda:PublishVersion$|LayerVersion$|^ec2:"
    r"|^apigateway:(Un)?[tT]agResource$"  # which IAM does not know: tags of APIs are POST and DELETE of /tags
)
"""What resource types ask for on behalf of properties that no stack of ours has, or to list what is there."""


@pytest.fixture(params=STACKS)
def stack(request, tmp_path):
    """Return a configuration of each feature of the stack, and its resources in CloudFormation's template."""
    found = configuration(tmp_path, STACKS[request.param])
    names = Names(found.name, found.stage)
    return statements(found, WHERE, [REGION]), template(found, names, facts(found))["Resources"].values()


def test_what_cloudformation_calls_for_a_stack_is_allowed(stack):
    """By the permissions that AWS's own resource types say they need, but for those of what is never used."""
    allowing, resources = stack
    given = {action.lower() for action in actions_of(allowing)}
    for kind in {resource["Type"] for resource in resources}:
        asked = {action for action in asked_by(kind) if action.lower() not in given}
        assert {action for action in asked if not NEVER.search(action)} == set(), kind


NAMED = {
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:{}:{}:alarm:{}"),
    "AWS::IAM::Role": ("RoleName", "iam:CreateRole", "arn:aws:iam::{1}:role/{2}"),
    "AWS::Lambda::Function": ("FunctionName", "lambda:CreateFunction", "arn:aws:lambda:{}:{}:function:{}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:CreateLogGroup", "arn:aws:logs:{}:{}:log-group:{}"),
    "AWS::SNS::Topic": ("TopicName", "sns:CreateTopic", "arn:aws:sns:{}:{}:{}"),
    "AWS::Scheduler::Schedule": ("Name", "scheduler:CreateSchedule", "arn:aws:scheduler:{}:{}:schedule/default/{}"),
}
"""What a stack names itself: by which property, and what making it under this name needs."""
UNNAMED = ("AWS::ApiGateway", "AWS::Lambda::Permission", "AWS::Route53::RecordSet", "AWS::SNS::Subscription")


def test_what_a_stack_has_is_allowed_under_its_names(stack):
    allowing, resources = stack
    for resource in resources:
        kind, properties = resource["Type"], resource["Properties"]
        if kind in NAMED:
            name, action, arn = NAMED[kind]
            assert allowed(allowing, Need(action, arn.format(REGION, ACCOUNT, properties[name]))), properties[name]
            assert not allowed(allowing, Need(action, arn.format(REGION, ACCOUNT, f"other-{properties[name]}")))
        else:
            assert kind.startswith(UNNAMED), f"{kind} is not known here"


def test_the_records_of_a_stack_are_allowed(stack):
    allowing, resources = stack
    for resource in resources:
        if resource["Type"] == "AWS::Route53::RecordSet":
            names = (resource["Properties"]["Name"].rstrip(".").replace("*", r"\052"),)
            zone = f"arn:aws:route53:::hostedzone/{resource['Properties']['HostedZoneId']}"
            assert allowed(allowing, Need("route53:ChangeResourceRecordSets", zone, ((policy._RECORDS, names),))), names


OF_DOCTOR = {"sts:GetCallerIdentity", "iam:SimulatePrincipalPolicy"}
"""What a deploy does not call: the one needs no permission, the other is left out where it is not allowed."""


@pytest.mark.parametrize("call", list(calls_of_modules()), ids=":".join)
def test_each_call_of_our_modules_is_allowed_to_a_stage_that_has_everything(of, call):
    given = {action.lower() for feature in FEATURES for action in actions_of(of(feature))} if call else set()
    action = action_of(*call)
    assert action.lower() in given or action in OF_DOCTOR


def test_a_permission_that_is_missing_is_found_out(of, aws):
    with recording(ACCOUNT) as needs:
        Variables(Session(), REGION, Names("shop", "production")).add("AB", "x", {})
    assert {need.action for need in refused(of(), needs)} == {
        "ssm:ListTagsForResource", "ssm:PutParameter", "ssm:AddTagsToResource",
    }  # fmt: skip
    assert refused(of(stage="production"), needs) == []


def test_a_service_that_the_comparison_does_not_know_is_an_error():
    with pytest.raises(KeyError):
        list(needs_of("sqs", "SendMessage", {}, REGION, ACCOUNT))


def use_everything(session):
    tags = NAMES.tags({})
    roles = Roles(session)
    assert roles.find(NAMES.role) is None
    role = roles.create(NAMES.role, "lambda.amazonaws.com", tags, "x")
    roles.allow(NAMES.role, [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}])
    assert roles.statements(NAMES.role)
    groups = LogGroups(session, REGION)
    groups.create(NAMES.log_group, tags)
    groups.keep(NAMES.log_group, 30)
    groups.keep(NAMES.log_group, None)
    groups.tags(groups.find(NAMES.log_group)["arn"])
    artefacts = Artefacts(session, REGION, bucket(ACCOUNT, REGION))
    artefacts.ready()
    artefacts._s3.call(
        "PutBucketAccelerateConfiguration", **artefacts._where, AccelerateConfiguration={"Status": "Enabled"}
    )
    artefacts.put("shop-staging/x.zip", EMPTY_ZIP, lambda _: None)
    assert artefacts.has("shop-staging/x.zip")
    assert list(artefacts.keys("shop-staging/")) == ["shop-staging/x.zip"]
    use_functions(session, role, artefacts.reference("shop-staging/x.zip"), tags)
    upload = artefacts._s3.call("CreateMultipartUpload", **artefacts._where, Key="shop-staging/y.zip")["UploadId"]
    artefacts._s3.call("AbortMultipartUpload", **artefacts._where, Key="shop-staging/y.zip", UploadId=upload)
    artefacts.delete("shop-staging/x.zip")
    artefacts.remove()
    variables = Variables(session, REGION, NAMES)
    variables.add("AB", "x", {})
    variables.add("AB", "y", {})
    assert variables.values()
    assert variables.find("AB")
    variables.remove(["AB"])
    groups.delete(NAMES.log_group)
    roles.delete(NAMES.role)


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def use_functions(session, role, code, tags):
    functions = Functions(session, REGION)
    name = NAMES.function
    made = {"FunctionName": name, "Role": role, "Runtime": "python3.13", "Handler": "x.x", "Code": code, "Tags": tags}
    attempts = [
        lambda: functions.create(made, lambda _: None),
        lambda: functions.find(name),
        lambda: functions.configuration(name, "$LATEST"),
        lambda: functions.configure({"FunctionName": name, "Timeout": 5}, lambda _: None),
        lambda: functions.upload(name, "", code, "x86_64"),
        lambda: functions.publish(name, "", "", ""),
        lambda: functions.versions(name),
        lambda: functions.tag(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}", tags),
        lambda: functions.create_alias(name, "live", "1", ""),
        lambda: functions.alias(name, "live"),
        lambda: functions.move_alias(name, "live", "1", "", ""),
        lambda: functions.create_url(name, "live", {"AuthType": "NONE"}),
        lambda: functions.url(name, "live"),
        lambda: functions.update_url(name, "live", {"AuthType": "NONE"}),
        lambda: functions.grant(
            name, "live", {"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"}
        ),
        lambda: functions.statements(name, "live"),
        lambda: functions.revoke(name, "live", "x"),
        lambda: functions.delete_url(name, "live"),
        lambda: functions.reserve(name, 5),
        lambda: functions.reserve(name, None),
        lambda: functions.provision(name, "live", 1),
        lambda: functions.provisioned(name, "live"),
        lambda: functions.provision(name, "live", 0),
        functions.free_concurrency,
        lambda: functions.invoke(name, "live", {}, 1),
        lambda: functions.delete_version(name, "1"),
        lambda: functions.delete(name),
    ]
    for attempt in attempts:
        try:
            attempt()
        except Exception:  # noqa: BLE001  # moto knows only some of it; that it was asked for is what counts here
            continue
