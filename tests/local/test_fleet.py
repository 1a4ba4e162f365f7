"""Routing, scaling, freezing, limits and generations, with real processes."""

import asyncio
import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.local.conftest import ARN, SCRIPTED, Lines
from upproxy.local.failure import Failure
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.instance import BUSY, IDLE, INIT, RESET, TRANSITIONS, Function, LogStream
from upproxy.local.invocation import Buffered, FunctionError, Throttled

MANAGED = {"on_demand": False, "scaling": Scaling(slots=4)}


class Journal(list):
    """The lines of the platform, and a way to wait for them."""

    def __init__(self):
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, line):
        self.append(line)
        self._more.set()

    async def until(self, pattern):
        while not (found := [line for line in self if re.search(pattern, line)]):
            self._more.clear()
            await self._more.wait()
        return found[0]


@pytest.fixture
async def serve(tmp_path):
    """A fleet whose generations start by the scripts given, one after another, the last one for ever."""
    fleets = []

    def serve(*scripts, scaling=None, on_demand=True, memory=256, seconds=30):
        remaining = list(scripts) or [""]
        launched = []

        async def launch():
            script = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            launched.append(script)
            if script == "misconfigured":
                raise Failure("up.yml is wrong")
            slots = {} if on_demand else {"AWS_LAMBDA_MAX_CONCURRENCY": str(scaling.slots)}
            return Function(
                name="shop-development",
                arn=ARN,
                command=SCRIPTED,
                environment={**os.environ, "SCRIPT": script, **slots},
                directory="/",
                memory=memory,
                timeout=seconds,
                on_demand=on_demand,
            )

        journal, lines, log = Journal(), Lines(), []
        fleet = Fleet(
            launch,
            lambda failed: Failure(failed.error.message),
            scaling or Scaling(most=4),
            folder=str(tmp_path),
            logs=lambda _: LogStream(lines, journal),
            log=lambda level, message, **fields: log.append(message),
        )
        fleet.launched, fleet.journal, fleet.lines, fleet.log = launched, journal, lines, log
        fleets.append(fleet)
        return fleet

    yield serve
    for fleet in fleets:
        await fleet.close()


async def invoke(fleet, do="pid", seconds=30, tenant="", **event):
    event = json.dumps({"do": do, **event}).encode()
    return await fleet.invoke(event, timeout=seconds, tenant_id=tenant)


async def value(fleet, do="pid", **event):
    reply = await invoke(fleet, do, **event)
    assert isinstance(reply, Buffered), reply
    return json.loads(reply.payload)


async def pid(fleet, **event):
    return (await value(fleet, **event))[0]


def state(process):
    """Return the letter of a process's state: T is stopped, S asleep; an empty text when it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0].replace("Z", "")
    except OSError:
        return ""


def states(fleet):
    return [instance.state for instance in fleet.instances]


def test_every_state_can_be_left_and_reached():
    before = {state for state, _ in TRANSITIONS}
    assert before == set(TRANSITIONS.values()) == {INIT, IDLE, BUSY, RESET, "expired"}
    assert {event for _, event in TRANSITIONS} == {"start", "quiet", "invoke", "ended", "expire"}


# --- freezing


async def test_it_is_frozen_between_invocations_and_thawed_for_each(serve, until):
    fleet = serve("child")
    await fleet.start()
    (instance,) = fleet.instances
    child = int(fleet.lines[0][1])
    for _ in range(3):
        await until(lambda: state(instance.pid) == state(child) == "T")
        assert await pid(fleet) == instance.pid
    await until(lambda: instance.state == IDLE)


async def test_what_an_invocation_starts_is_frozen_too(serve, until):
    fleet = serve()
    child = await value(fleet, "child")
    await until(lambda: state(child) == "T")
    await pid(fleet)
    held = asyncio.create_task(invoke(fleet, "hang"))
    await until(lambda: state(child) == "S")
    held.cancel()


async def test_an_orphan_is_frozen_and_thawed_too(serve, until):
    fleet = serve()
    orphan = await value(fleet, "orphan")
    await until(lambda: state(orphan) == "T")
    held = asyncio.create_task(invoke(fleet, "hang"))
    await until(lambda: state(orphan) == "S")
    held.cancel()


async def test_a_claim_that_comes_to_nothing_leaves_it_frozen_and_usable(serve, until):
    fleet = serve(scaling=Scaling(most=1))
    await fleet.start()
    (instance,) = fleet.instances
    instance.claim("")
    instance.release()
    assert await pid(fleet) == instance.pid
    held = asyncio.create_task(invoke(fleet, "hang"))
    await until(lambda: instance.state == BUSY)
    await asyncio.sleep(0.1)  # twice as long as what would freeze the rest
    assert state(instance.pid) == "S"
    held.cancel()


async def test_it_is_not_frozen_while_it_works_after_the_reply(serve, until, tmp_path):
    fleet = serve()
    os.mkfifo(tmp_path / "gate")
    await value(fleet, "linger", until=str(tmp_path / "gate"))
    (instance,) = fleet.instances
    other = await pid(fleet)  # it has not polled, so that another takes this one
    assert other != instance.pid
    assert (instance.state, state(instance.pid)) == (BUSY, "S")
    (tmp_path / "gate").write_text("")
    await until(lambda: state(instance.pid) == "T")


async def test_managed_instances_are_never_frozen_and_take_many_at_a_time(serve, until):
    fleet = serve(**MANAGED)
    held = [asyncio.create_task(invoke(fleet, "hang")) for _ in range(3)]
    process = await pid(fleet)
    assert len(fleet.instances) == 1
    for one in held:
        one.cancel()
    assert await pid(fleet) == process
    assert state(process) != "T"
    assert not fleet.journal


# --- which instance


async def test_the_one_used_last_takes_the_next(serve, until, tmp_path):
    fleet = serve()
    os.mkfifo(tmp_path / "gate")
    first = asyncio.create_task(invoke(fleet, "linger", until=str(tmp_path / "gate")))
    await until(lambda: states(fleet) == [BUSY])
    older = fleet.instances[0]
    newer = await pid(fleet)
    assert {newer} == {await pid(fleet) for _ in range(3)}
    await until(lambda: sorted(states(fleet)) == [BUSY, IDLE])
    (tmp_path / "gate").write_text("")
    await first
    await until(lambda: older.state == IDLE)
    assert await pid(fleet) == older.pid


async def test_one_after_another_is_one_instance(serve):
    fleet = serve()
    assert len({await pid(fleet) for _ in range(30)}) == 1


async def test_as_many_instances_as_invocations_then_no_more(serve, until):
    fleet = serve(scaling=Scaling(most=3))
    held = [asyncio.create_task(invoke(fleet, "hang")) for _ in range(3)]
    await until(lambda: states(fleet) == [BUSY] * 3)
    assert len({instance.pid for instance in fleet.instances}) == 3
    with pytest.raises(Throttled, match="--max-instances"):
        await invoke(fleet)
    for one in held:
        one.cancel()


async def test_tenants_do_not_share_instances(serve):
    fleet = serve()
    blue, green = await pid(fleet, tenant="blue"), await pid(fleet, tenant="green")
    assert blue != green
    assert (await value(fleet, tenant="blue")) == [blue, "blue"]
    assert (await value(fleet, tenant="green")) == [green, "green"]
    assert (await value(fleet))[0] not in (blue, green)


async def test_an_idle_one_expires_and_leaves_nothing(serve, until):
    fleet = serve(scaling=Scaling(most=2, idle_timeout=0.2))
    process = await pid(fleet)
    temporary = (await value(fleet, "environment"))["TMPDIR"]
    await until(lambda: not fleet.instances and not state(process) and not os.path.exists(temporary))
    assert await pid(fleet) != process


async def test_provisioned_instances_are_there_first_and_stay(serve, until):
    fleet = serve(scaling=Scaling(most=4, provisioned=2, idle_timeout=0.01))
    await fleet.start()
    ready = {instance.pid for instance in fleet.instances}
    assert (states(fleet), len(ready)) == ([IDLE, IDLE], 2)
    assert (await value(fleet, "environment"))["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"
    held = [asyncio.create_task(invoke(fleet, "hang", seconds=1)) for _ in range(2)]
    await until(lambda: states(fleet) == [BUSY, BUSY])
    assert await pid(fleet) not in ready
    await until(lambda: len(fleet.instances) == 2)  # the other one has expired
    await asyncio.gather(*held)
    await until(lambda: states(fleet) == [IDLE, IDLE])  # killed by the time-out, and started again unasked
    assert ready.isdisjoint(instance.pid for instance in fleet.instances)


async def test_a_provisioned_instance_that_cannot_come_back_waits_for_an_invocation(serve, until, tmp_path):
    fleet = serve(f"after:{tmp_path}/file:init-error:no more", scaling=Scaling(most=1, provisioned=1))
    await fleet.start()
    (instance,) = fleet.instances
    await invoke(fleet, "exit", code=1)
    await until(lambda: instance.failed)
    assert (await invoke(fleet)).message == "no more"
    assert sum(line.startswith("INIT_REPORT") for line in fleet.journal) == 2


# --- what ends an instance


async def test_a_time_out_kills_and_the_next_invocation_starts_anew(serve, until):
    fleet = serve(scaling=Scaling(most=1))
    first = await pid(fleet)
    temporary = Path((await value(fleet, "environment"))["TMPDIR"])
    (temporary / "kept").touch()
    reply = await invoke(fleet, "hang", seconds=0.2)
    assert reply.kind == "Sandbox.Timedout"
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z \S{36} Task timed out after 0\.20 seconds", reply.message)
    assert reply.message in await fleet.journal.until("Task timed out")
    assert "\tStatus: timeout\t" in await fleet.journal.until("REPORT.*Duration: 200.00 ms")
    await until(lambda: not state(first))
    assert await pid(fleet) != first
    assert (temporary / "kept").exists()  # a reset does not clear /tmp
    assert len(fleet.instances) == 1


async def test_a_time_out_does_not_end_a_managed_instance(serve):
    fleet = serve(**MANAGED)
    first = await pid(fleet)
    assert (await invoke(fleet, "hang", seconds=0.05)).kind == "Sandbox.Timedout"
    assert await pid(fleet) == first


async def test_a_crash_is_reported_and_the_next_starts_within_the_invocation(serve, until):
    fleet = serve(scaling=Scaling(most=1))
    first = await pid(fleet)
    reply = await invoke(fleet, "exit", code=3)
    assert reply.kind == "Runtime.ExitError"
    assert re.fullmatch(r"RequestId: \S{36} Error: Runtime exited with error: exit status 3", reply.message)
    assert "\tStatus: error\tError Type: Runtime.ExitError" in await fleet.journal.until("REPORT.*Status")
    assert f"{reply.message}\nRuntime.ExitError" in fleet.journal
    assert await pid(fleet) != first
    reports = [line for line in fleet.journal if line.startswith("REPORT")]
    assert ["Init Duration" in line for line in reports[:1]] == [True]
    assert not any("Init Duration" in line for line in reports[1:])  # it is suppressed: a part of the invocation


async def test_a_crash_of_one_that_is_idle_is_told(serve, until):
    fleet = serve()
    process = await pid(fleet)
    await until(lambda: states(fleet) == [IDLE])
    os.kill(process, signal.SIGKILL)
    await until(lambda: fleet.log)
    assert "SIGKILL" in fleet.log[0]
    assert await pid(fleet) != process


async def test_too_much_memory_ends_it_with_lambdas_own_words(serve):
    fleet = serve(memory=128, scaling=Scaling(most=1))
    reply = await invoke(fleet, "allocate", mb=300)
    assert reply.kind == "Runtime.OutOfMemory"
    assert reply.message.endswith("Error: Runtime exited with error: signal: killed")
    report = await fleet.journal.until("REPORT")
    assert "Max Memory Used: 128 MB" in report
    assert "Status: error\tError Type: Runtime.OutOfMemory" in report
    assert f"{reply.message}\nRuntime.OutOfMemory" in fleet.journal
    assert await pid(fleet)


async def test_the_folder_for_temporary_files_is_its_own(serve, until):
    fleet = serve()
    held = asyncio.create_task(invoke(fleet, "hang"))
    await until(lambda: states(fleet) == [BUSY])
    one = await value(fleet, "environment")
    held.cancel()
    assert len({instance._folder for instance in fleet.instances}) == 2
    assert one["TMPDIR"] in {instance._folder for instance in fleet.instances}


# --- initialisation


async def test_a_failed_initialisation_is_done_again_within_the_invocation(serve, tmp_path, until):
    fleet = serve(f"once:{tmp_path}/file:init-error:not yet")
    with pytest.raises(Failure, match="not yet"):  # the first of a generation has to work
        await fleet.start()
    await fleet.start()
    held = asyncio.create_task(invoke(fleet, "hang"))
    await until(lambda: states(fleet) == [BUSY])
    (tmp_path / "file").unlink()
    fleet.journal.clear()
    assert await pid(fleet)
    held.cancel()
    assert "Phase: init\tStatus: error\tError Type: Init" in await fleet.journal.until("INIT_REPORT")


async def test_an_initialisation_that_always_fails_is_the_reply(serve, tmp_path, until):
    fleet = serve(f"after:{tmp_path}/file:init-error:no database")
    await fleet.start()
    held = asyncio.create_task(invoke(fleet, "hang"))
    await until(lambda: states(fleet) == [BUSY])
    reply = await invoke(fleet)
    assert (reply.kind, reply.message) == ("Init", "no database")
    phases = [re.search(r"Phase: (\w+)", line)[1] for line in fleet.journal if line.startswith("INIT_REPORT")]
    assert phases == ["init", "invoke"]
    held.cancel()


async def test_one_that_takes_too_long_gets_a_second_chance(serve, tmp_path, until, monkeypatch):
    monkeypatch.setattr("upproxy.local.instance.INIT_LIMIT", 0.3)
    fleet = serve(f"once:{tmp_path}/file:hang")
    await fleet.start()
    assert states(fleet) == [RESET]
    assert "Phase: init\tStatus: timeout" in fleet.journal[0]
    assert await value(fleet, "left", seconds=20) < 20_000
    assert len(fleet.instances) == 1


async def test_the_second_chance_ends_with_the_functions_time(serve, monkeypatch):
    monkeypatch.setattr("upproxy.local.instance.INIT_LIMIT", 0.1)
    fleet = serve("hang")
    reply = await invoke(fleet, seconds=0.2)
    assert reply.kind == "Sandbox.Timedout"
    assert "Task timed out after 0.20 seconds" in reply.message
    assert "Status: timeout" in fleet.journal[-1]


async def test_what_it_spends_on_starting_is_missing_at_the_end(serve, tmp_path):
    fleet = serve("", scaling=Scaling(most=1))
    await invoke(fleet, "exit", code=1)
    left = await value(fleet, "left", seconds=5)
    assert 0 < left < 5_000


# --- what Lambda logs


async def test_the_lines_of_an_invocation(serve):
    fleet = serve()
    await value(fleet, "print", text="in between")
    report = await fleet.journal.until("REPORT")
    start, end, _ = fleet.journal
    request_id = re.fullmatch(r"START RequestId: (\S{36}) Version: \$LATEST", start)[1]
    assert end == f"END RequestId: {request_id}"
    pattern = (
        rf"REPORT RequestId: {request_id}\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: 256 MB"
        r"\tMax Memory Used: (\d+) MB\tInit Duration: ([\d.]+) ms\t"
    )
    duration, billed, used, init = map(float, re.fullmatch(pattern, report).groups())
    assert duration + init <= billed < duration + init + 1.02  # each is rounded
    assert 0 < used < 256
    assert ("stdout", b"in between") in fleet.lines


async def test_the_trace_id_is_complete(serve):
    fleet = serve()
    made_up = await value(fleet, "trace")
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", made_up)
    reply = await fleet.invoke(b'{"do": "trace"}', timeout=9, trace_id="Root=1-5-6;Sampled=1")
    assert re.fullmatch(r"Root=1-5-6;Sampled=1;Parent=[0-9a-f]{16}", json.loads(reply.payload))


# --- extensions


async def test_extensions_hear_of_invocations_and_of_the_end(serve, until):
    fleet = serve("extension:INVOKE,SHUTDOWN", scaling=Scaling(most=1, idle_timeout=0.3))
    process = await pid(fleet)
    await fleet.lines.until("stdout", b"extension INVOKE ")
    await until(lambda: state(process) == "T")
    await fleet.lines.until("stdout", b"extension SHUTDOWN spindown")
    await fleet.lines.until("stdout", b"terminated")
    await until(lambda: not state(process))


async def test_without_extensions_the_end_comes_without_a_word(serve, until):
    fleet = serve("deaf")
    process = await pid(fleet)
    await fleet.close()
    await until(lambda: not state(process))


async def test_a_daemon_is_killed_with_its_instance(serve, until):
    fleet = serve()
    daemon = await value(fleet, "daemon")
    assert state(daemon)
    await fleet.close()
    await until(lambda: not state(daemon))


# --- generations


@pytest.mark.parametrize("settings", [{}, MANAGED], ids=["on demand", "managed"])
async def test_requests_wait_for_the_first_start(serve, settings):
    fleet = serve(**settings)
    starting = asyncio.create_task(fleet.start())
    assert await pid(fleet)
    await starting
    assert len(fleet.launched) == 1


async def test_the_old_one_serves_until_the_new_one_is_ready_and_then_finishes(serve, until):
    fleet = serve("", "hang", "", **MANAGED)
    await fleet.start()
    old = await pid(fleet)
    reloading = asyncio.create_task(fleet.start())
    await fleet.lines.until("stdout", b"hanging")
    assert await pid(fleet) == old
    stream = await invoke(fleet, "stream", chunks=["a"], endless=True)
    (new,) = fleet._all - set(fleet.instances)
    new.kill()
    with pytest.raises(Failure):
        await reloading
    with pytest.raises(Failure):
        await invoke(fleet)
    assert state(old)  # it still has the stream
    stream.close()
    await until(lambda: not state(old))
    await fleet.start()
    assert await pid(fleet)


@pytest.mark.parametrize("settings", [{}, MANAGED], ids=["on demand", "managed"])
@pytest.mark.parametrize("broken", ["init-error:no such table", "misconfigured", "exit:1"])
async def test_a_failed_start_is_told_to_every_request_until_one_works(serve, until, broken, settings):
    fleet = serve("", broken, "", **settings)
    await fleet.start()
    old = await pid(fleet)
    with pytest.raises(Failure) as failed:
        await fleet.start()
    for _ in range(2):
        with pytest.raises(Failure) as told:
            await invoke(fleet)
        assert told.value is failed.value
    await until(lambda: not state(old))
    await fleet.start()
    assert await pid(fleet)


async def test_changes_during_a_start_make_one_more_start(serve, until):
    fleet = serve("init-error:half saved", "", **MANAGED)
    first = asyncio.create_task(fleet.start())
    await until(lambda: fleet.launched)
    await asyncio.gather(first, fleet.start(), fleet.start())
    assert len(fleet.launched) == 2
    assert await pid(fleet)


async def test_a_crashed_managed_instance_is_replaced_by_the_next_request(serve, until):
    fleet = serve(**MANAGED)
    await fleet.start()
    reply = await invoke(fleet, "exit", code=4)
    assert isinstance(reply, FunctionError)
    assert reply.kind == "Runtime.ExitError"
    first, second = await asyncio.gather(pid(fleet), pid(fleet))
    assert first == second
    assert [line for line in fleet.log if "exit code 4" in line]


async def test_a_managed_instance_that_cannot_be_replaced_says_why(serve, tmp_path):
    fleet = serve(f"after:{tmp_path}/file:init-error:no database", **MANAGED)
    await fleet.start()
    await invoke(fleet, "exit", code=4)
    with pytest.raises(Failure, match="no database"):
        await invoke(fleet)


@pytest.mark.parametrize("settings", [{}, MANAGED], ids=["on demand", "managed"])
async def test_closing_during_a_start_leaves_nothing(serve, until, settings):
    fleet = serve("hang", **settings)
    starting = asyncio.create_task(fleet.start())
    await fleet.lines.until("stdout", b"hanging")
    process = next(iter(fleet._all)).pid
    await fleet.close()
    with suppress(asyncio.CancelledError):
        await starting
    assert not state(process)
