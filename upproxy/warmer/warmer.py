"""Keeps instances warm: as many messages at once as there shall be instances, each held until the others have come.

On AWS this file alone is the function, on a schedule; its handler is `handler`, and UPPROXY_WARM_TARGETS says what to
warm: `[{"function": "shop-production", "qualifier": "live", "count": 3}]`. Its role needs `lambda:GetAlias` and
`lambda:GetFunctionConcurrency` on the function, `lambda:InvokeFunction` on its versions, and
`lambda:GetAccountSettings` and `cloudwatch:GetMetricStatistics`, which are of no resource. Elsewhere `warm` is called
with other ways to invoke.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Any, Protocol

TARGETS = "UPPROXY_WARM_TARGETS"
FIRST_HOLD = 75  # ms
LONGEST_HOLD = 1_000  # ms
TROUBLED = 2  # rounds with failures after which there is no further one
ANSWER_TIMEOUT = 25  # seconds; an instance that starts anew may have tried twice
SMALLEST_LIMIT = 10  # concurrency of the smallest accounts: what is assumed where the real one may not be known
LOOK_BACK = 3  # minutes of the concurrency in use, whose figures are up to two minutes late

Invoke = Callable[["Target", bytes], bytes]
"""Invokes once and returns the answer. Raises Throttled, and any other exception for a failure."""


class Throttled(Exception):
    """There is no concurrency left."""


class FunctionFailed(Exception):
    """The function answered with an error."""


@dataclass(frozen=True)
class Target:
    """What to warm: `count` instances of a function, by its name, as an alias or version has it."""

    function: str
    qualifier: str
    count: int


@dataclass
class Tick:
    """What came of it: how many instances were asked for at once, answered, and were new; and how it went.

    `hold_ms` is the last hold, `duration_ms` the whole tick, `reason` why fewer were asked for than wanted, or what
    the last failure said.
    """

    target: Target
    asked: int
    distinct: int = 0
    cold: int = 0
    failed: int = 0
    throttled: bool = False
    hold_ms: int = 0
    duration_ms: float = 0.0
    reason: str = ""

    def line(self) -> dict[str, Any]:
        """Return the log line, of which CloudWatch makes metrics (Embedded Metric Format Specification)."""
        metrics = {"WarmDistinct": self.distinct, "WarmCold": self.cold, "WarmFailed": self.failed}
        directive = {
            "Namespace": "upproxy",
            "Dimensions": [["Function"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
        }
        return {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": "info" if self.distinct >= self.target.count else "warn",
            "message": "warmed",
            "_aws": {"Timestamp": int(time() * 1000), "CloudWatchMetrics": [directive]},
            "Function": self.target.function,
            **metrics,
            "count": self.target.count,
            "asked": self.asked,
            "hold_ms": self.hold_ms,
            "duration_ms": round(self.duration_ms, 1),
            **({"throttled": True} if self.throttled else {}),
            **({"reason": self.reason} if self.reason else {}),
        }


def warm(target: Target, invoke: Invoke, free: int, until: float = float("inf")) -> Tick:
    """Warm a target with at most half of the concurrency that is `free`, and say what came of it.

    Where fewer instances answer than were asked for, messages have landed on the same ones, or failed: it asks again
    and holds them twice as long, but not after the `time.monotonic()` moment `until`, nor when there is no room.
    """
    tick = Tick(target, asked=max(0, min(target.count, free // 2)))
    seen: set[str] = set()
    troubled = 0
    hold = FIRST_HOLD
    began = monotonic()
    if tick.asked < target.count:
        tick.reason = f"{free} of the concurrency are free, half of which is left to requests"
    if not tick.asked:
        return tick
    with ThreadPoolExecutor(tick.asked) as pool:
        while True:
            tick.hold_ms = hold
            message = json.dumps({"upproxy": {"warm": {"hold_ms": hold}}}).encode()
            answers = [pool.submit(invoke, target, message) for _ in range(tick.asked)]
            failed_before = tick.failed
            for answer in answers:
                try:
                    instance, cold = _read(answer.result())
                except Exception as error:  # noqa: BLE001  # whatever went wrong with one, the others count
                    tick.failed += 1
                    tick.throttled |= isinstance(error, Throttled)
                    tick.reason = f"{type(error).__name__}: {error}"[:300]
                else:
                    tick.cold += cold and instance not in seen
                    seen.add(instance)
            tick.distinct = len(seen)
            tick.duration_ms = (monotonic() - began) * 1000
            troubled += tick.failed > failed_before
            enough = tick.distinct >= tick.asked or tick.throttled
            if enough or hold == LONGEST_HOLD or troubled == TROUBLED or monotonic() >= until:
                return tick
            hold = min(2 * hold, LONGEST_HOLD)


def _read(answer: bytes) -> tuple[str, bool]:
    """Return the instance of an answer, and whether it was new. Raises ValueError for anything else."""
    document = json.loads(answer)
    if not isinstance(document, dict) or not isinstance(document.get("instance"), str):
        raise ValueError("the function does not know the message: is it one of upproxy?")
    return document["instance"], document.get("cold") is True


# --- on AWS


class Context(Protocol):
    """What Lambda tells a handler."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left."""


class Lambda:
    """Invokes functions, and looks up what is live and how much concurrency is free, over AWS's own API."""

    def __init__(self, api: Any, metrics: Any) -> None:
        """Take botocore's clients of Lambda and of CloudWatch."""
        self._api = api
        self._metrics = metrics

    def live(self, target: Target) -> Target:
        """Return the target by the version that its alias points to. Raises what botocore raises.

        Lambda's metrics of an alias count what is invoked by the alias: so they are of requests alone.
        """
        found = self._api.get_alias(FunctionName=target.function, Name=target.qualifier)
        return replace(target, qualifier=found["FunctionVersion"])

    def invoke(self, target: Target, message: bytes) -> bytes:
        """Invoke the version and wait for its answer. Raises Throttled, FunctionFailed and what botocore raises."""
        try:
            answer = self._api.invoke(FunctionName=target.function, Qualifier=target.qualifier, Payload=message)
        except self._api.exceptions.TooManyRequestsException as error:
            raise Throttled(str(error)) from None
        payload: bytes = answer["Payload"].read()
        if answer.get("FunctionError"):
            raise FunctionFailed(payload.decode("utf-8", "replace"))
        return payload

    def free(self, target: Target) -> int:
        """Return how many more invocations the function could have at once.

        What it has for itself, else what functions share that have nothing for themselves, less what has been in use.
        https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html
        """
        own = self._api.get_function_concurrency(FunctionName=target.function).get("ReservedConcurrentExecutions")
        if own is not None:
            dimensions = [{"Name": "FunctionName", "Value": target.function}]
            return int(own) - self._in_use("ConcurrentExecutions", dimensions)
        shared = self._api.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        return int(shared) - self._in_use("UnreservedConcurrentExecutions", [])

    def _in_use(self, metric: str, dimensions: Sequence[dict[str, str]]) -> int:
        now = datetime.now(UTC)
        found = self._metrics.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=LOOK_BACK),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )
        return int(max((point["Maximum"] for point in found["Datapoints"]), default=0))


def targets(text: str) -> list[Target]:
    """Read UPPROXY_WARM_TARGETS. Raises ValueError."""
    try:
        found = [Target(**one) for one in json.loads(text)]
    except (TypeError, ValueError):
        found = []
    if not found or not all(isinstance(one.count, int) and one.count > 0 for one in found):
        raise ValueError(f"{TARGETS} has to be a JSON list of objects with function, qualifier and count")
    return found


def handler(event: object, context: Context) -> None:  # noqa: ARG001
    """Warm every target and write a line of each. Raises ValueError where the environment names none."""
    import botocore.config
    import botocore.exceptions
    import botocore.session

    wanted = targets(os.environ.get(TARGETS, ""))
    until = monotonic() + context.get_remaining_time_in_millis() / 1000 - ANSWER_TIMEOUT
    session = botocore.session.get_session()
    config = botocore.config.Config(
        connect_timeout=2,
        read_timeout=ANSWER_TIMEOUT,
        retries={"total_max_attempts": 1},  # a further round is the retry
        max_pool_connections=max(target.count for target in wanted),
    )
    aws = Lambda(session.create_client("lambda", config=config), session.create_client("cloudwatch", config=config))
    failures = botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
    for target in wanted:
        try:
            live = aws.live(target)
        except failures as error:
            _write(Tick(target, asked=0, failed=1, reason=f"what is live is not known: {error}").line())
            continue
        try:
            free = aws.free(target)
        except failures as error:
            free = SMALLEST_LIMIT
            _write({"level": "warn", "message": f"the free concurrency is not known: {error}", "assumed": free})
        _write(warm(live, aws.invoke, free, until).line())


def _write(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201  # what a function prints is its log
