"""A shop whose two last days were measured: more customers on the second, faster replies, and some faults."""

import math

from tests.observe.metrics.played import Played

NOW = 1_790_000_010  # 2026-09-21 14:13:30 UTC
FUNCTION = "shop-production"
WARMER = f"upproxy-{FUNCTION}-warmer"
ALL = {"FunctionName": FUNCTION}
LIVE = {**ALL, "Resource": f"{FUNCTION}:live"}
DAY, HOUR = 86_400, 3_600


def shop():
    played = Played()
    played.log_group = {
        "logGroupName": f"/aws/lambda/{FUNCTION}", "creationTime": (NOW - 30 * DAY) * 1000, "retentionInDays": 30,
    }  # fmt: skip
    played.stack = {"Warmer": WARMER}
    for day in (0, 1):
        for hour in range(24):
            begins = NOW - DAY * (day + 1) + hour * HOUR
            for number in range(round((90 if day else 110) * (1.1 - math.cos((hour + 13.5) / 12 * math.pi)))):
                _request(played, begins + number * 15, number, day, hour)
    for tick in range(2 * DAY // 300):
        _tick(played, NOW - 240 - tick * 300)
    return played


def _request(played, at, number, day, hour):
    spread = (number * 37 % 100) / 100
    latency = 9.0 + 60 * spread**6 + 4 * day + abs(hour - 12) / 3
    cold = number % 45 == 44
    for name, value in (
        ("UrlRequestCount", 1), ("Url4xxCount", number % 31 == 30), ("Url5xxCount", day == 0 and number % 90 == 89),
        ("UrlRequestLatency", latency + (620 if cold else 0)),
    ):  # fmt: skip
        played.measure("AWS/Lambda", name, at, float(value), **ALL)
    for name, value in (
        ("Invocations", 1), ("Errors", 0), ("Throttles", 0), ("Duration", latency - 2),
        ("ConcurrentExecutions", 1 + number % 4),
    ):  # fmt: skip
        for dimensions in (LIVE, ALL):
            played.measure("AWS/Lambda", name, at, float(value), **dimensions)
    played.measure("AWS/Logs", "IncomingBytes", at, 1_400.0, LogGroupName=f"/aws/lambda/{FUNCTION}")
    played.report(at, latency - 2, 560.0 + 80 * spread if cold else None, used_mb=70 + number % 15)


def _tick(played, at):
    played.measure("upproxy", "WarmDistinct", at, 5.0, Function=FUNCTION)
    played.measure("upproxy", "WarmCold", at, 0.0, Function=FUNCTION)
    played.measure("AWS/Lambda", "Invocations", at, 1.0, FunctionName=WARMER)
    played.measure("AWS/Lambda", "Duration", at, 140.0, FunctionName=WARMER)
    played.measure("AWS/Logs", "IncomingBytes", at, 900.0, LogGroupName=f"/aws/lambda/{WARMER}")
    for number in range(5):
        played.measure("AWS/Lambda", "Invocations", at + number * 0.01, 1.0, **ALL)
        played.measure("AWS/Lambda", "Duration", at + number * 0.01, 76.0, **ALL)
        played.report(at + number * 0.01, 76.0)
