"""Deploys against the sandbox: what is there afterwards, and whatever may go wrong on the way."""

import functools
import itertools
import json
import sys
import tempfile
import threading
import traceback
from pathlib import Path

import pytest

from tests.deploy.conftest import variable
from tests.sandbox import Running, aws, fetch, sandbox  # noqa: F401
from upproxy import build, config
from upproxy.aws import session as sessions
from upproxy.aws.artefacts import Artefacts
from upproxy.aws.errors import AccessDenied, AwsError, Conflict, CredentialsError, QuotaExceeded, Throttled, Unreachable
from upproxy.aws.functions import Functions
from upproxy.aws.roles import Roles
from upproxy.aws.session import Session
from upproxy.build import archive, target
from upproxy.build.archive import Member
from upproxy.build.artefact import MANIFEST, manifest_member
from upproxy.deploy import history, prune, removal, steps, wanted
from upproxy.deploy.code import Code
from upproxy.deploy.commit import Commit
from upproxy.deploy.environment import Variables
from upproxy.deploy.errors import NotOurs, Unhealthy
from upproxy.deploy.names import Names, bucket
from upproxy.deploy.release import Deploy
from upproxy.local.sandbox.calls import Call, Fault, is_read
from upproxy.local.sandbox.delays import Delays
from upproxy.local.sandbox.errors import ApiError

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
REGION = "us-east-1"
APP = """\
import os, time
STATUS = "200 OK"
{start}
def app(environ, start_response):
    {request}
    start_response(STATUS, [("Content-Type", "text/plain")])
    return [b"{text}"]
"""


NAMES = (f"app{number}" for number in itertools.count())


@functools.cache
def parts(for_):
    """Build a project once: only its own file and manifest differ between those of the tests."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text("app = None\n")
        Path(folder, "up.yml").write_text(f"name: shop\napp: app:app\nserver: waitress\npython: {PYTHON}\n")
        builder = build.Builder(for_, build.Options(), lambda _: None)
        return builder.project(config.load(folder, "staging")).members


def members(found, for_):
    """Return what a build of a project would."""
    source = Path(found.directory, "app.py").read_bytes()
    own = [Member("app.py", source), manifest_member(found.manifest())]
    shared = [one for one in parts(for_) if one.name not in ("app.py", MANIFEST) and "app.cpython" not in one.name]
    return [*shared, *archive.pack(own)]


class Project:
    """A small app in a folder, and deploys of it, in this process."""

    def __init__(self, folder):
        self.folder = folder
        self.name = next(NAMES)
        self.document = ""
        self.secrets = ()
        self.said = []
        self.write()

    def write(self, text="one", start="", request="", document=None):
        """Change the app."""
        self.source = APP.format(text=text, start=start, request=request)
        self.document = self.document if document is None else document

    def deploy(self, regions=(REGION,)):
        """Deploy as the command does, and return what came of it."""
        return go(self.prepared(regions))

    def prepared(self, regions=(REGION,)):
        """Return a deploy that has looked at what there is."""
        (self.folder / "app.py").write_text(self.source)
        document = f"name: {self.name}\napp: app:app\nserver: waitress\npython: {PYTHON}\n{self.document}"
        (self.folder / "up.yml").write_text(document)
        found = config.load(str(self.folder), "staging")
        for_ = target.of(found)
        names = Names(found.name, "staging")
        code = Code.of(names.function, members(found, for_))
        session = Session()
        account = wanted.Account(session.partition, session.account)
        asked = {region: wanted.of(found, for_, account, self.secrets) for region in regions}
        deploy = Deploy(session, asked, code, Commit("a" * 40, False, "Ann", "One"), self.said.append)
        deploy.look()
        return deploy


def go(deploy):
    """Do what a deploy has planned."""
    deploy.prepare()
    deploy.switch()
    return deploy.retire()


@pytest.fixture
def project(tmp_path, aws):  # noqa: F811
    aws.clear()
    return Project(tmp_path)


def test_the_first_deploy_then_nothing_then_another(project, aws):  # noqa: F811
    (first,) = project.deploy()
    assert (first.version, first.released, first.healthy.status) == ("1", True, 200)
    assert first.healthy.init_ms > 0
    assert fetch(first.url) == (200, "one")
    aws.clear()
    (same,) = project.deploy()
    assert (same.version, same.released, same.url) == ("1", False, first.url)
    assert [call for call in aws.calls if not is_read(call)] == []
    project.write("two")
    (second,) = project.deploy()
    assert (second.version, second.url) == ("2", first.url)
    assert fetch(first.url) == (200, "two")


def test_each_part_of_a_deploy_is_told_by_what_reports_then(project):
    deploy = project.prepared()
    later = []
    deploy.report = later.append
    deploy.prepare()
    assert "publish a version" in later
    assert "publish a version" not in project.said


def test_the_function_has_what_was_asked_for(project, aws):  # noqa: F811
    project.write(document="lambda: {memory: 256, timeout: 7, concurrency: 3, tags: {team: shop}, log_retention: 7}")
    project.deploy()
    function = Functions(Session(), REGION).find(f"{project.name}-staging")
    found = function["Configuration"]
    assert (found["MemorySize"], found["Timeout"], found["Architectures"]) == (256, 7, ["x86_64"])
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    assert function["Tags"] == {"team": "shop", "upproxy:app": project.name, "upproxy:stage": "staging"}
    group = Session().service("logs").call("DescribeLogGroups", logGroupNamePrefix=f"/aws/lambda/{project.name}")
    assert group["logGroups"][0]["retentionInDays"] == 7


def test_what_the_app_writes_is_in_its_log_group(project):
    project.write(start="print('starting', flush=True)")
    (done,) = project.deploy()
    fetch(done.url)
    answer = Session().service("logs").call("FilterLogEvents", logGroupName=f"/aws/lambda/{project.name}-staging")
    messages = [event["message"] for event in answer["events"]]
    assert any('"message":"starting"' in message for message in messages)
    assert any(message.startswith("REPORT RequestId: ") for message in messages)


# --- Releases that do not answer


@pytest.mark.parametrize(
    ("change", "said", "output"),
    [
        ({"start": "STATUS = '500 Oh no'", "text": "broken"}, "answered GET / with 500; healthy is 2xx, 3xx", "broken"),
        ({"start": "raise RuntimeError('no database')"}, "failed", "no database"),
        ({"request": "time.sleep(60)"}, "with 504", ""),
        ({"request": "os._exit(3)"}, "with 502", ""),
    ],
)
def test_a_release_that_does_not_answer_gets_no_traffic(project, change, said, output):
    (first,) = project.deploy()
    project.write(**change, document="health: {timeout: 0.5}")
    with pytest.raises(Unhealthy) as caught:
        project.deploy()
    assert said in str(caught.value)
    assert output in caught.value.hint
    assert fetch(first.url) == (200, "one")
    with pytest.raises(Unhealthy):  # it is published, and checked again all the same
        project.deploy()
    project.write("three", document="")
    (third,) = project.deploy()
    assert fetch(third.url) == (200, "three")
    functions = Functions(Session(), REGION)
    found = history.read(functions, Names(project.name, "staging"))
    assert [(one.version, one.live, one.previous, one.served) for one in found.releases] == [
        ("1", False, True, True), ("2", False, False, False), ("3", True, False, True),
    ]  # fmt: skip


def test_a_first_release_that_does_not_answer_is_not_reachable(project, aws):  # noqa: F811
    project.write(start="raise RuntimeError('no database')")
    with pytest.raises(Unhealthy):
        project.deploy()
    functions = Functions(Session(), REGION)
    assert functions.alias(f"{project.name}-staging", "live") is None
    project.write("two")
    (done,) = project.deploy()
    assert fetch(done.url) == (200, "two")


def test_what_an_ill_app_says_of_its_secrets_is_not_shown(project):
    project.secrets = [variable("DATABASE_URL", "postgres://ann:hunter2@db")]
    project.write(start="raise RuntimeError('cannot connect to ' + os.environ['DATABASE_URL'])")
    with pytest.raises(Unhealthy) as caught:
        project.deploy()
    shown = f"{caught.value} {caught.value.hint} {''.join(traceback.format_exception(caught.value))}"
    assert "cannot connect to" in caught.value.hint
    assert "hunter2" not in shown


def test_a_busy_function_is_waited_for(project, aws):  # noqa: F811
    """What is live may have all of the concurrency for a moment."""
    project.deploy()
    project.write("two")
    aws.clear()
    busy = ApiError("TooManyRequestsException", "Rate Exceeded.", 429)
    aws.faults.append(Fault(operation="Invoke", error=busy, times=2))
    (done,) = project.deploy()
    assert (fetch(done.url), [call.operation for call in aws.calls].count("Invoke")) == ((200, "two"), 3)


def test_a_slow_release_has_the_time_that_it_is_given(project):
    project.write(request="time.sleep(1.5)", document="health: {timeout: 5}\nproxy: {timeout: 5}")
    (done,) = project.deploy()
    assert done.healthy.duration_ms > 1_400


# --- Ended at any call


class Killed(BaseException):
    """Nothing of the deploy goes on after this."""


def killed_at(monkeypatch, counts, nth, *, after):
    """End the deploy in this process at a call that counts: before it is made, or after it was and nobody knows."""
    real = sessions.Service.call
    lock, seen = threading.Lock(), itertools.count(1)

    def call(self, operation, **parameters):
        with lock:
            number = next(seen) if counts(operation) else 0
        if (number == nth and not after) or number > nth:
            raise Killed
        answer = real(self, operation, **parameters)
        if number == nth:
            raise Killed
        return answer

    monkeypatch.setattr(sessions.Service, "call", call)


def is_write(operation):
    return not is_read(Call("", operation, ""))


@pytest.mark.parametrize(
    ("counts", "after"),
    [
        pytest.param(is_write, True, id="each write"),
        pytest.param(bool, False, id="before each call", marks=pytest.mark.soak),
        pytest.param(bool, True, id="after each call", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "further"])
def test_a_deploy_that_was_ended_at_any_call_goes_on(project, monkeypatch, first, counts, after):
    """Whatever was live answers all the while: before the next deploy, and after it."""
    project.write(document="lambda: {concurrency: 4}")
    url = live = ""
    if not first:
        (before,) = project.deploy()
        url, live = before.url, "one"
    for nth in itertools.count(1):
        text = f"release{nth}"
        if first:
            project.name = next(NAMES)
        project.write(text)
        if not first:  # a further release that changes the configuration too
            project.document = f"lambda: {{concurrency: 4, memory: {500 + nth}}}"
        with monkeypatch.context() as patch:
            killed_at(patch, counts, nth, after=after)
            try:
                project.deploy()
            except Killed:
                ended = False
            else:
                ended = True
        if not first:
            assert fetch(url) in ((200, live), (200, text))
        (done,) = project.deploy()
        assert fetch(done.url) == (200, text)
        live = text
        if ended:
            assert nth > (12 if first else 4)
            return


# --- What AWS may answer

WRITES = ["CreateRole", "PutRolePolicy", "CreateLogGroup", "PutRetentionPolicy", "CreateFunction", "PublishVersion",
          "Invoke", "CreateAlias", "AddPermission", "CreateFunctionUrlConfig"]  # fmt: skip


def test_credentials_that_expire_at_any_step(project, aws):  # noqa: F811
    """Each deploy goes on where the one before ended, and ends at the next step."""
    for operation in WRITES:
        error = ApiError("ExpiredTokenException", "The token has expired", 403)
        aws.faults.append(Fault(operation=operation, error=error))
        with pytest.raises(CredentialsError, match="have expired"):
            project.deploy()
    (done,) = project.deploy()
    assert fetch(done.url) == (200, "one")


@pytest.mark.parametrize("operation", ["PutRolePolicy", "CreateFunction", "PublishVersion", "CreateAlias"])
def test_throttling_is_waited_out(project, aws, operation):  # noqa: F811
    aws.faults.append(Fault(operation=operation, error=ApiError("ThrottlingException", "Rate exceeded", 400)))
    (done,) = project.deploy()
    assert fetch(done.url) == (200, "one")


def test_a_lost_answer_does_no_harm(project, aws):  # noqa: F811
    for operation in ("CreateFunction", "PublishVersion", "CreateAlias", "CreateRole"):
        error = ApiError("ServiceException", "Something went wrong", 500)
        aws.faults.append(Fault(operation=operation, error=error, late=True))
    for _ in range(4):  # botocore makes a call again, which then finds that it was made
        try:
            project.deploy()
        except Conflict:
            continue
    (done,) = project.deploy()
    assert fetch(done.url) == (200, "one")


def test_a_deploy_that_comes_second_has_lost(project):
    project.deploy()
    project.write("two")
    two = project.prepared()
    project.write("three")
    three = project.prepared()
    go(two)
    with pytest.raises(Conflict) as caught:
        go(three)
    assert "at the same time" in caught.value.hint
    (live,) = project.prepared().retire()
    assert live.version == "2"


@pytest.mark.parametrize("step", ["configure", "upload", "publish", "check_health", "go_live"])
def test_two_deploys_at_once_never_mix(project, step):
    """One comes in before each step of the other: what is live afterwards is all of one of them."""
    (first,) = project.deploy()
    project.write("two", document="lambda: {memory: 600}")
    slow = project.prepared()
    project.write("three", document="lambda: {memory: 700}")
    quick = project.prepared()
    real = getattr(steps, step)
    done = []

    def come_between(run):
        if not done:
            done.append(True)
            go(quick)
        real(run)

    (plan,) = slow.plans.values()
    for part in ("prepare", "switch"):
        there = tuple(
            type(one)(one.what, come_between, one.asks) if one.run is real else one for one in getattr(plan, part)
        )
        object.__setattr__(plan, part, there)
    with pytest.raises(Conflict):
        go(slow)
    assert done
    live = Functions(Session(), REGION).configuration(f"{project.name}-staging", "live")
    assert (fetch(first.url), live["MemorySize"]) == ((200, "three"), 700)


def test_what_is_not_ours_is_left_alone(project, aws):  # noqa: F811
    iam = Session().service("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    iam.call("CreateRole", RoleName=f"upproxy-{project.name}-staging", AssumeRolePolicyDocument=json.dumps(trust))
    aws.clear()
    with pytest.raises(NotOurs, match="does not have our tags"):
        project.deploy()
    assert [call for call in aws.calls if not is_read(call)] == []


def test_an_error_of_aws_that_nobody_foresaw(project, aws):  # noqa: F811
    aws.faults.append(Fault(operation="CreateLogGroup", error=ApiError("Strange", "It is Thursday", 400)))
    with pytest.raises(AwsError, match="It is Thursday"):
        project.deploy()


def answered_otherwise(monkeypatch, operation, change):
    """Change what AWS answers, by a function that takes the parameters and the answer."""
    real = sessions.Service.call

    def call(self, name, **parameters):
        answer = real(self, name, **parameters)
        return change(parameters, answer) if name == operation else answer

    monkeypatch.setattr(sessions.Service, "call", call)


def prepared_after(project, monkeypatch, failed):
    """Have a change of the function fail on AWS's side, and return the deploy that has looked at that."""
    with monkeypatch.context() as patch:
        answered_otherwise(patch, "GetFunctionConfiguration", lambda _, answer: {**answer, **failed})
        with pytest.raises(AwsError, match="No addresses are left"):
            project.deploy()
        answered_otherwise(
            patch, "GetFunction", lambda _, answer: {**answer, "Configuration": {**answer["Configuration"], **failed}}
        )
        return project.prepared()


def test_a_change_that_fails_when_aws_has_begun_it_can_be_made_again(project, monkeypatch):
    """AWS refuses no further change of such a function, and neither do we."""
    project.deploy()
    project.write(document="lambda: {memory: 300}")
    failed = {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "No addresses are left in the subnet"}
    again = prepared_after(project, monkeypatch, failed)
    assert "configure the function (once more: the last change failed)" in again.changes[REGION]
    go(again)
    live = Functions(Session(), REGION).configuration(f"{project.name}-staging", "live")
    assert live["MemorySize"] == 300


def test_a_failed_change_before_stops_no_change(project, monkeypatch):
    project.deploy()
    project.write(document="lambda: {memory: 300}")
    deploy = project.prepared()
    changed = threading.Event()
    real = Functions.configure
    monkeypatch.setattr(Functions, "configure", lambda *arguments: (real(*arguments), changed.set()))
    answered_otherwise(
        monkeypatch, "GetFunctionConfiguration",
        lambda _, answer: answer if changed.is_set() else {**answer, "LastUpdateStatus": "Failed"},
    )  # fmt: skip
    (done,) = go(deploy)
    assert done.released


def test_a_function_that_could_not_be_created_is_created_anew(project, monkeypatch):
    failed = {"State": "Failed", "StateReason": "No addresses are left in the subnet"}
    again = prepared_after(project, monkeypatch, failed)
    (done,) = go(again)
    assert "delete the function, which AWS could not create" in " ".join(again.changes[REGION])
    assert fetch(done.url) == (200, "one")


def test_an_app_that_does_not_start_while_its_snapshot_is_made(project, monkeypatch):
    (first,) = project.deploy()
    project.write("two")
    failed = {"State": "Failed", "StateReason": "The app has exited", "StateReasonCode": "FunctionError"}
    answered_otherwise(
        monkeypatch, "GetFunctionConfiguration",
        lambda asked, answer: {**answer, **failed} if asked["Qualifier"] == "2" else answer,
    )  # fmt: skip
    with pytest.raises(Unhealthy, match="The app has exited"):
        project.deploy()
    assert fetch(first.url) == (200, "one")


def test_a_version_that_fell_asleep_is_woken_up(project, aws, monkeypatch):  # noqa: F811
    project.deploy()
    functions, name = Functions(Session(), REGION), f"{project.name}-staging"
    states = iter(("Inactive", "Pending", "Active"))
    answered_otherwise(monkeypatch, "GetFunctionConfiguration", lambda _, answer: {**answer, "State": next(states)})
    error = ApiError("ResourceNotReadyException", "The function is inactive", 502)
    aws.clear()
    aws.faults.append(Fault(operation="Invoke", error=error))
    functions.ready(name, "1", lambda _: None)
    assert [call.operation for call in aws.calls].count("Invoke") == 1
    assert next(states, None) is None


def test_a_policy_that_has_not_spread_yet_is_waited_for(project, aws):  # noqa: F811
    said = "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"
    aws.faults.append(Fault(operation="CreateFunction", error=ApiError("InvalidParameterValueException", said, 400)))
    (done,) = project.deploy()
    assert done.released


def test_who_may_not_read_tags_is_told_so(project, monkeypatch):
    """And not that the function is somebody else's: AWS then leaves them out."""
    project.deploy()
    problem = {"ErrorCode": "AccessDeniedException", "Message": "no"}

    def without_tags(_, answer):
        return {**{key: value for key, value in answer.items() if key != "Tags"}, "TagsError": problem}

    answered_otherwise(monkeypatch, "GetFunction", without_tags)
    with pytest.raises(AccessDenied) as caught:
        project.deploy()
    assert caught.value.statement["Action"] == "lambda:ListTags"
    assert caught.value.statement["Resource"].endswith(f":function:{project.name}-staging")


def test_more_concurrency_than_the_account_has_is_a_question_of_quota(project):
    project.write(document="lambda: {concurrency: 1000}")
    with pytest.raises(QuotaExceeded, match="UnreservedConcurrentExecution"):
        project.deploy()


def test_a_log_group_that_is_just_being_deleted_is_a_conflict(project, aws):  # noqa: F811
    error = ApiError("OperationAbortedException", "Multiple requests are in conflict.", 400)
    aws.faults.append(Fault(operation="CreateLogGroup", error=error))
    with pytest.raises(Conflict):
        project.deploy()


def test_what_was_found_has_no_secret_in_its_repr(project):
    project.deploy()
    found = project.prepared()._runs[REGION].found
    assert found.function["Configuration"]["Environment"]["Variables"]
    assert "Environment" not in repr(found)


def test_code_is_fetched_from_the_web_alone(project, tmp_path, monkeypatch):
    project.deploy()
    functions, name = Functions(Session(), REGION), f"{project.name}-staging"
    (tmp_path / "file").write_bytes(functions.download(name, "live"))
    location = {"Code": {"Location": f"file://{tmp_path}/file"}}
    answered_otherwise(monkeypatch, "GetFunction", lambda _, answer: {**answer, **location})
    with pytest.raises(Unreachable, match="not on the web"):
        functions.download(name, "live")


def test_code_that_was_changed_on_its_way_is_not_taken(project, monkeypatch):
    project.deploy()
    configuration = {"CodeSize": 100, "CodeSha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
    answered_otherwise(monkeypatch, "GetFunction", lambda _, answer: {**answer, "Configuration": configuration})
    with pytest.raises(Unreachable, match="by its digest"):
        Functions(Session(), REGION).download(f"{project.name}-staging", "live")


def test_what_aws_takes_its_time_for_is_waited_for(tmp_path, monkeypatch):
    """A role that is not known everywhere yet, and changes and versions that are in the making."""
    running = Running(Delays(create=0.3, update=0.3, publish=0.3, role=1.5))
    try:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        project = Project(tmp_path)
        (first,) = project.deploy()
        assert len([call for call in running.calls if call.operation == "CreateFunction"]) > 1
        project.write("two", document="lambda: {memory: 300}")
        (second,) = project.deploy()
        assert (fetch(first.url), second.version) == ((200, "two"), "2")
    finally:
        running.close()


def test_throttling_without_end(project, aws, monkeypatch):  # noqa: F811
    monkeypatch.setitem(Session.service.__kwdefaults__, "attempts", 2)
    error = ApiError("ThrottlingException", "Rate exceeded", 400)
    aws.faults.append(Fault(operation="CreateLogGroup", error=error, times=1000))
    with pytest.raises(Throttled):
        project.deploy()


def test_what_is_live_keeps_its_permissions_until_the_next_is(project):
    """All versions have the one role: one that is not healthy takes nothing from the one that is live."""
    statement = "{Effect: Allow, Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::pictures/*'}"
    project.write(document=f"lambda: {{policy: [{statement}]}}")
    project.deploy()
    roles, role = Roles(Session()), f"upproxy-{project.name}-staging"
    allowed = roles.statements(role)
    assert allowed[-1]["Action"] == ["s3:GetObject"]
    project.write(start="STATUS = '500 No'", document=f"lambda: {{policy: [{statement.replace('s3:Get', 's3:Put')}]}}")
    with pytest.raises(Unhealthy):
        project.deploy()
    assert allowed[-1] in roles.statements(role)
    project.write("two")
    project.deploy()
    assert [one["Action"] for one in roles.statements(role)[1:]] == [["s3:PutObject"]]


# --- Large code


def test_code_that_goes_through_s3(project, aws, monkeypatch):  # noqa: F811
    monkeypatch.setattr("upproxy.build.size.MAX_UPLOAD", 1000)
    aws.faults.append(Fault(service="s3", operation="PUT Object", error=ApiError("InternalError", "We failed", 500)))
    (done,) = project.deploy()
    assert fetch(done.url) == (200, "one")
    s3 = Session().service("s3")
    name = bucket("123456789012", REGION)
    (stored,) = s3.call("ListObjectsV2", Bucket=name, Prefix=f"{project.name}-staging/")["Contents"]
    assert stored["Key"].endswith(".zip")
    private = s3.call("GetPublicAccessBlock", Bucket=name)["PublicAccessBlockConfiguration"]
    assert all(private.values())
    rules = s3.call("GetBucketEncryption", Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.fixture
def large(project, monkeypatch):
    """A project whose code goes through S3, where there is a bucket already."""
    monkeypatch.setattr("upproxy.build.size.MAX_UPLOAD", 1000)
    project.deploy()
    project.write("two")
    return project


def test_the_bucket_is_accelerated_also_where_another_app_has_made_it(large, aws):  # noqa: F811
    session = Session()
    artefacts = Artefacts(session, REGION, bucket(session.account, REGION), accelerate=True)
    aws.clear()
    artefacts.ready()
    assert [call.operation for call in aws.calls if not is_read(call)] == ["PUT Bucket?accelerate"]


def test_a_bucket_that_was_not_finished_keeps_the_tags_of_others(large):
    session = Session()
    s3, name = session.service("s3"), bucket(session.account, REGION)
    theirs = {"Key": "cost-centre", "Value": "17"}
    s3.call("PutBucketTagging", Bucket=name, Tagging={"TagSet": [theirs]})
    large.deploy()
    tags = s3.call("GetBucketTagging", Bucket=name)["TagSet"]
    assert tags == [theirs, {"Key": "upproxy:artefacts", "Value": "ready"}]


# --- Several regions


def test_no_region_goes_live_while_another_is_ill(project, aws):  # noqa: F811
    first = project.deploy(("us-east-1", "eu-west-1"))
    assert [fetch(one.url) for one in first] == [(200, "one"), (200, "one")]
    project.write("two", start="STATUS = '500 No' if os.environ['AWS_REGION'] == 'eu-west-1' else STATUS")
    with pytest.raises(Unhealthy, match="eu-west-1: version 2"):
        project.deploy(("us-east-1", "eu-west-1"))
    assert [fetch(one.url) for one in first] == [(200, "one"), (200, "one")]
    roles = [call for call in aws.calls if call.operation == "CreateRole"]
    assert len(roles) == 1


def test_the_role_stays_as_long_as_a_region_needs_it(project):
    project.deploy(("us-east-1", "eu-west-1"))
    names, session, said = Names(project.name, "staging"), Session(), []
    remove(session, names, "us-east-1", said.append, others=["eu-west-1"])
    assert Roles(session).find(names.role) is not None
    assert said[-1] == f"the role {names.role} stays: {names.function} in eu-west-1 needs it"
    remove(session, names, "eu-west-1", said.append, others=["us-east-1"])
    assert Roles(session).find(names.role) is None


# --- The end


def remove(session, names, region=REGION, report=lambda _: None, **others):
    return removal.remove(session, names, removal.look(session, names, [region]), report, **others)


def test_pruning_keeps_what_is_needed(project, aws, monkeypatch):  # noqa: F811
    monkeypatch.setattr("upproxy.build.size.MAX_UPLOAD", 1000)
    for number in range(4):
        project.write(f"text{number}")
        project.deploy()
    names = Names(project.name, "staging")
    session = Session()
    functions = Functions(session, REGION)
    found = history.read(functions, names)
    going = prune.superfluous(found, 1)
    assert [one.version for one in going] == ["1", "2"]
    artefacts = Artefacts(session, REGION, bucket(session.account, REGION))
    theirs = {"FunctionName": names.function, "Name": "canary"}
    session.service("lambda").call("CreateAlias", **theirs, FunctionVersion="1")
    (held,) = prune.prune(functions, artefacts, names.function, found, going).items()
    assert held[0] == "1"
    assert "canary" in held[1]
    assert [one.version for one in history.read(functions, names).releases] == ["1", "3", "4"]
    assert len(list(artefacts.keys(f"{names.function}/"))) == 3
    session.service("lambda").call("DeleteAlias", **theirs)
    assert prune.prune(functions, artefacts, names.function, found, going) == {}
    assert [one.version for one in history.read(functions, names).releases] == ["3", "4"]
    assert len(list(artefacts.keys(f"{names.function}/"))) == 2


def test_removal_leaves_nothing_and_can_be_done_again(project, aws, monkeypatch):  # noqa: F811
    monkeypatch.setattr("upproxy.build.size.MAX_UPLOAD", 1000)
    (done,) = project.deploy()
    names = Names(project.name, "staging")
    session = Session()
    for operation in ("DeleteFunction", "DeleteLogGroup", "DeleteRole"):
        aws.faults.append(Fault(operation=operation, error=ApiError("ExpiredTokenException", "Expired", 403)))
        with pytest.raises(CredentialsError):
            remove(session, names)
    assert remove(session, names) == []
    assert Functions(session, REGION).find(names.function) is None
    assert fetch(done.url)[0] == 403
    assert session.service("logs").call("DescribeLogGroups", logGroupNamePrefix=names.log_group)["logGroups"] == []
    assert remove(session, names) == []


def test_removal_leaves_the_variables_of_others(project):
    project.deploy()
    names, session = Names(project.name, "staging"), Session()
    Variables(session, REGION, names).add("OURS", "value", {})
    theirs = f"{names.parameters}THEIRS"
    session.service("ssm").call("PutParameter", Name=theirs, Value="value", Type="SecureString")
    assert remove(session, names) == [f"the parameter {theirs} in {REGION}"]
    assert [one.name for one in Variables(session, REGION, names).listed()] == ["THEIRS"]
    assert Roles(session).find(names.role) is None
