"""Templates: each feature as it was looked at once, and what holds for all of them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint import api
from cfnlint.config import ManualArgs
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tests.deploy.stack.configurations import FEATURES, REGION, configuration, facts, names
from upproxy.config import load
from upproxy.deploy.stack import warming
from upproxy.deploy.stack.template import template
from upproxy.notifier import notifier

GOLDEN = Path(__file__).parent / "golden"
WARMING = Path(__file__).parents[3] / "docs" / "warming.md"


def made(folder, feature, region=REGION, **known):
    config = configuration(folder, FEATURES.get(feature, feature))
    return template(config, names(config), facts(config, region, **known))


def resources(document, kind):
    return {name: one for name, one in document["Resources"].items() if one["Type"] == f"AWS::{kind}"}


def lint(document):
    found = api.lint(json.dumps(document), config=ManualArgs(regions=[REGION, "us-east-1"]))
    return [f"{one.rule.id} {one.message} ({one.path})" for one in found]


@pytest.mark.parametrize("feature", FEATURES)
def test_golden(feature, tmp_path):
    """`UPPROXY_GOLDEN=write` makes them anew; look at the difference."""
    text = json.dumps(made(tmp_path, feature), indent=2) + "\n"
    path = GOLDEN / f"{feature}.json"
    if os.environ.get("UPPROXY_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("feature", FEATURES)
def test_golden_passes_cfn_lint(feature):
    assert lint(json.loads((GOLDEN / f"{feature}.json").read_text())) == []


def test_nothing_is_left_over_in_the_folder():
    assert {path.stem for path in GOLDEN.iterdir()} == set(FEATURES)


def test_lint_finds_what_is_wrong():
    assert lint({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicNam": "x"}}}})


def test_no_feature_no_stack(tmp_path):
    assert made(tmp_path, "description: nothing of it") is None


def test_everything_that_takes_tags_has_them(tmp_path):
    for feature in FEATURES:
        for name, one in made(tmp_path, feature)["Resources"].items():
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", one["Type"]).schema["properties"]
            tags = one["Properties"].get("Tags")
            assert (tags is not None) == ("Tags" in schema), name
            if isinstance(tags, list):
                tags = {tag["Key"]: tag["Value"] for tag in tags}
            if tags is not None:
                assert (tags["upproxy:app"], tags["upproxy:stage"]) == ("shop", "production")
    assert tags["team"] == "shop"


def test_names_do_not_clash_between_regions_and_stages(tmp_path):
    """Roles are global; everything else is of a region."""
    text = FEATURES["all"].replace("stages: {production: ", "stages: {staging: {}, production: ")
    documents = []
    for stage, region in (("production", REGION), ("production", "us-east-1"), ("staging", REGION)):
        config = configuration(tmp_path, text, stage)
        documents.append((region, template(config, names(config), facts(config, region))))
    seen = set()
    for region, document in documents:
        for one in document["Resources"].values():
            for key in ("RoleName", "FunctionName", "LogGroupName", "AlarmName", "TopicName", "Name"):
                name = one["Properties"].get(key)
                if isinstance(name, str) and one["Type"] != "AWS::Route53::RecordSet":
                    place = (one["Type"], name, *(() if key == "RoleName" else (region,)))
                    assert place not in seen
                    seen.add(place)
    assert any(kind == "AWS::IAM::Role" for kind, *_ in seen)


def test_names_fit(tmp_path):
    """The longest function name that Lambda takes."""
    text = FEATURES["all"].replace("production", "b" * 24) + "\nname: " + "a" * 39
    (tmp_path / "up.yml").write_text(text)
    config = load(str(tmp_path), "b" * 24, "./server")
    assert lint(template(config, names(config), facts(config))) == []


def test_what_has_the_same_logical_id_has_the_same_type(tmp_path):
    """CloudFormation refuses to change a type, such as on the way from one kind of gateway to the other."""
    types = {}
    for feature in FEATURES:
        for name, one in made(tmp_path, feature)["Resources"].items():
            assert types.setdefault(name, one["Type"]) == one["Type"], name


# --- gateways


def test_the_deployment_is_a_new_one_when_the_api_changes(tmp_path):
    def deployment(text):
        [name] = resources(made(tmp_path, text), "ApiGateway::Deployment")
        return name

    first = deployment("endpoint: rest_api")
    assert deployment("endpoint: rest_api\nthrottle: {rate: 5}") == first
    assert deployment("endpoint: rest_api\nlambda: {timeout: 10}") != first


def test_rest_apis_stream_as_long_as_the_function_may_take(tmp_path):
    for method in resources(made(tmp_path, "rest_api_iam"), "ApiGateway::Method").values():
        integration = method["Properties"]["Integration"]
        assert integration["ResponseTransferMode"] == "STREAM"
        assert integration["TimeoutInMillis"] == 900_000
        assert integration["Uri"]["Fn::Sub"][0].endswith(
            "/2021-11-15/functions/${Alias}/response-streaming-invocations"
        )
        assert method["Properties"]["AuthorizationType"] == "AWS_IAM"


@pytest.mark.parametrize("kind", ["http_api", "rest_api"])
def test_only_this_api_may_invoke_the_alias(kind, tmp_path):
    document = made(tmp_path, kind)
    [permission] = resources(document, "Lambda::Permission").values()
    assert permission["Properties"]["FunctionName"]["Fn::Sub"].endswith(":function:shop-production:live")
    assert "Api}/" in permission["Properties"]["SourceArn"]["Fn::Sub"]


def test_an_account_that_cannot_log_gets_a_rest_api_all_the_same(tmp_path):
    document = made(tmp_path, "rest_api", gateway_logs=False)
    assert not resources(document, "Logs::LogGroup")
    assert lint(document) == []


# --- domains


def test_each_region_answers_for_the_domain(tmp_path):
    for region in (REGION, "us-east-1"):
        records = resources(made(tmp_path, "domain", region), "Route53::RecordSet").values()
        assert [one["Properties"]["Type"] for one in records] == ["A", "AAAA"]
        assert {one["Properties"]["SetIdentifier"] for one in records} == {region}


def test_records_go_with_one_region_and_one_stage(tmp_path):
    assert made(tmp_path, "dns", "us-east-1", leads=False) is None
    staging = configuration(tmp_path, FEATURES["dns"], "staging")
    assert template(staging, names(staging), facts(staging)) is None
    said = "\nstages: {staging: {dns: {shop.example: [{name: a.shop.example, type: A, value: [192.0.2.1]}]}}}"
    staging = configuration(tmp_path, said, "staging")
    assert len(template(staging, names(staging), facts(staging))["Resources"]) == 1


def test_a_long_text_is_several_strings(tmp_path):
    text = f"dns: {{shop.example: [{{name: shop.example, type: TXT, value: [{'a' * 300}]}}]}}"
    [record] = resources(made(tmp_path, text), "Route53::RecordSet").values()
    assert record["Properties"]["ResourceRecords"] == [f'"{"a" * 255}" "{"a" * 45}"']


# --- the warmer


def test_the_warmer_is_small_enough_to_be_in_the_template(tmp_path):
    """4 MB is Lambda's limit for code in a template, 51,200 bytes that of a template which is sent directly."""
    [function] = resources(made(tmp_path, "warm"), "Lambda::Function").values()
    assert len(function["Properties"]["Code"]["ZipFile"].encode()) < 4 * 1024**2
    assert len(json.dumps(made(tmp_path, "all"))) < 51_200


def test_the_warmer_in_the_template_runs(tmp_path):
    [function] = resources(made(tmp_path, "warm"), "Lambda::Function").values()
    properties = function["Properties"]
    module, _, handler = properties["Handler"].partition(".")
    (tmp_path / f"{module}.py").write_text(properties["Code"]["ZipFile"])
    script = f"import os, {module}; print({module}.targets(os.environ[{module}.TARGETS]), callable({module}.{handler}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
        env=properties["Environment"]["Variables"],
    )  # fmt: skip
    assert done.stdout == "[Target(function='shop-production', qualifier='live', count=3)] True\n"


def test_the_warmer_may_do_what_its_documentation_says(tmp_path):
    [documented] = re.findall(r"```json\n(\[\n.*?)```", WARMING.read_text(), re.DOTALL)
    config = configuration(tmp_path, FEATURES["warm"])
    allowed = json.dumps(warming.statements(names(config)))
    allowed = re.sub(r'\{"Fn::Sub": ("[^"]*")\}', r"\1", allowed).replace("${AWS::Partition}", "aws")
    allowed = allowed.replace("${AWS::Region}", "REGION").replace("${AWS::AccountId}", "ACCOUNT")

    def normal(statements):
        return [
            {**one, "Action": [one["Action"]] if isinstance(one["Action"], str) else one["Action"]}
            for one in json.loads(statements)
        ]

    assert normal(allowed) == normal(documented)
    roles = resources(made(tmp_path, "warm"), "IAM::Role")
    [policy] = roles["WarmerRole"]["Properties"]["Policies"]
    logging, *others = policy["PolicyDocument"]["Statement"]
    assert others == warming.statements(names(config))
    assert logging["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]


# --- alarms


def test_an_alarm_stays_the_same_when_its_threshold_changes(tmp_path):
    text = FEATURES["alerts"]
    assert set(made(tmp_path, text)["Resources"]) == set(made(tmp_path, text.replace("1500", "900"))["Resources"])


def test_only_actions_that_are_taken_have_topics(tmp_path):
    document = made(tmp_path, "alerts")
    assert {one["Properties"]["TopicName"] for one in resources(document, "SNS::Topic").values()} == {
        "upproxy-shop-production-team",
        "upproxy-shop-production-night-watch",
        "upproxy-shop-production-chat",
    }
    ends = [one["Properties"]["Endpoint"] for one in resources(document, "SNS::Subscription").values()]
    notifier_ = {"Fn::GetAtt": ["Notifier", "Arn"]}
    assert ends == ["team@shop.example", "lead@shop.example", "+41790000000", notifier_]
    told = {}
    for name, alarm in resources(document, "CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        topics = [action["Ref"] for action in properties.get("AlarmActions", ())]
        assert [action["Ref"] for action in properties.get("OKActions", ())] == topics
        told[name] = [document["Resources"][topic]["Properties"]["TopicName"].split("-", 3)[3] for topic in topics]
    assert told == {
        "AlarmHttpLatencyP95Above": ["team"],
        "AlarmHttpLatencyP95Above2": ["night-watch"],
        "AlarmLambdaErrorsSumAbove": ["chat", "team"],
        "AlarmShopOrdersSumBelow": [],
    }


def test_what_is_warmed_never_raises_an_alarm(tmp_path):
    """Alarms are about the alias, and the warmer invokes the version (tests/warmer holds that)."""
    document = made(tmp_path, "all")
    metrics = [one["Properties"] for one in resources(document, "CloudWatch::Alarm").values()]
    of_lambda = [one["Dimensions"] for one in metrics if one["Namespace"] == "AWS/Lambda"]
    assert of_lambda == [
        [
            {"Name": "FunctionName", "Value": "shop-production"},
            {"Name": "Resource", "Value": "shop-production:live"},
        ]
    ]
    defaults = resources(made(tmp_path, "alerts_by_default"), "CloudWatch::Alarm").values()
    assert {json.dumps(one["Properties"]["Dimensions"]) for one in defaults} == {
        json.dumps(of_lambda[0]),
        json.dumps([{"Name": "App", "Value": "shop"}, {"Name": "Stage", "Value": "production"}]),
    }


def test_the_defaults_tell_everybody_of_what_lasts(tmp_path):
    document = made(tmp_path, "alerts_by_default")
    alarms = [one["Properties"] for one in resources(document, "CloudWatch::Alarm").values()]
    assert [one["AlarmDescription"].rpartition(": ")[2] for one in alarms] == [
        "http.5xx > 5 % of requests in 5m, 2 times in a row",
        "p95 of http.latency > 7500 ms in 5m, 2 times in a row",
        "sum of lambda.errors >= 3 in 5m",
        "sum of lambda.throttles >= 3 in 5m",
    ]
    assert all(len(one["AlarmActions"]) == 2 for one in alarms)
    slower = resources(made(tmp_path, FEATURES["alerts_by_default"] + "proxy: {timeout: 4}"), "CloudWatch::Alarm")
    assert slower["AlarmHttpLatencyP95Above"]["Properties"]["Threshold"] == 2000


def test_the_notifier_is_there_for_those_alone_whom_sns_cannot_tell(tmp_path):
    assert "Notifier" in made(tmp_path, "alerts")["Resources"]
    mails = "alerts: true\nactions: [{name: team, type: email, emails: [team@shop.example]}]"
    assert "Notifier" not in made(tmp_path, mails)["Resources"]
    assert "Notifier" not in made(tmp_path, FEATURES["alerts"].replace("[chat, team]", "team"))["Resources"]


def test_only_its_topics_may_invoke_the_notifier(tmp_path):
    document = made(tmp_path, "alerts")
    [permission] = resources(document, "Lambda::Permission").values()
    assert permission["Properties"]["Principal"] == "sns.amazonaws.com"
    topic = permission["Properties"]["SourceArn"]["Ref"]
    assert document["Resources"][topic]["Properties"]["TopicName"] == "upproxy-shop-production-chat"


def test_the_notifier_may_read_the_addresses_alone(tmp_path):
    roles = resources(made(tmp_path, "alerts"), "IAM::Role")
    [policy] = roles["NotifierRole"]["Properties"]["Policies"]
    logging, reading = policy["PolicyDocument"]["Statement"]
    assert logging["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    arn = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/upproxy/shop/production/SLACK_URL"
    assert reading == {"Effect": "Allow", "Action": ["ssm:GetParameter"], "Resource": [{"Fn::Sub": arn}]}
    [retention] = [
        one["Properties"]["RetentionInDays"]
        for one in resources(made(tmp_path, "alerts"), "Logs::LogGroup").values()
        if one["Properties"]["LogGroupName"] == "/aws/lambda/upproxy-shop-production-notifier"
    ]
    assert retention == 30


def test_the_notifier_in_the_template_knows_whom_to_tell(tmp_path):
    [function] = resources(made(tmp_path, "alerts"), "Lambda::Function").values()
    properties = function["Properties"]
    assert json.loads(properties["Environment"]["Variables"][notifier.CONFIGURATION]) == {
        "app": "shop",
        "stage": "production",
        "actions": {
            "upproxy-shop-production-chat": {
                "name": "chat",
                "type": "slack",
                "parameter": "/upproxy/shop/production/SLACK_URL",
                "channel": "#shop",
            }
        },
    }
    (tmp_path / "index.py").write_text(properties["Code"]["ZipFile"])
    script = "import sys, index; print(callable(index.handler), 'botocore' in sys.modules, 'upproxy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "True False False\n"
