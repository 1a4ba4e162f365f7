"""A receiver of webhooks, and messages as SNS and CloudWatch write them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOPIC = "arn:aws:sns:eu-central-1:123456789012:upproxy-shop-production"
CONFIGURATION = {
    "app": "shop",
    "stage": "production",
    "actions": {
        "upproxy-shop-production-chat": {
            "name": "chat", "type": "slack", "parameter": "/upproxy/shop/production/SLACK_URL", "channel": "#shop"
        },
        "upproxy-shop-production-hook": {
            "name": "hook", "type": "webhook", "parameter": "/upproxy/shop/production/HOOK_URL"
        },
    },
}  # fmt: skip
REASON = (
    "Threshold Crossed: 2 out of the last 2 datapoints [8123.5 (26/11/26 12:55:00), 9000.0 (26/11/26 12:50:00)] were "
    "greater than the threshold (7500.0) (minimum 2 datapoints for OK -> ALARM transition)."
)


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted. `answers` are the statuses, with header fields, of the next answers; 200 after them.

    None for an answer keeps the client waiting until `close`. `came` is notified of each.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = []
        self.posted = []
        self.came = threading.Condition()
        self.over = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/services/a-secret?key=another"

    def close(self):
        self.over.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.came:
            self.server.posted.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.server.came.notify_all()
        answer = self.server.answers.pop(0) if self.server.answers else (200, {})
        if answer is None:
            self.server.over.wait(60)
            return
        status, fields = answer
        self.send_response(status)
        for name, value in {"Content-Length": "0", **fields}.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


def alarm(state="ALARM", previous="OK", reason=REASON, trigger=None, **more):
    """What CloudWatch tells a topic."""
    return {
        "AlarmName": "shop-production-http.latency-p95-above",
        "AlarmDescription": "The app is <slow>: p95 of http.latency > 7500 ms in 5m, 2 times in a row",
        "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2026-11-25T09:00:00.000+0000",
        "NewStateValue": state,
        "NewStateReason": reason,
        "StateChangeTime": "2026-11-26T13:00:12.345+0000",
        "Region": "EU (Frankfurt)",
        "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-production-http.latency-p95-above",
        "OldStateValue": previous,
        "OKActions": [],
        "AlarmActions": [f"{TOPIC}-chat"],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "Latency",
            "Namespace": "upproxy",
            "StatisticType": "ExtendedStatistic",
            "ExtendedStatistic": "p95",
            "Unit": None,
            "Dimensions": [{"value": "shop", "name": "App"}, {"value": "production", "name": "Stage"}],
            "Period": 300,
            "EvaluationPeriods": 2,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 7500.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
            **(trigger or {}),
        },
        **more,
    }


def event(message, action="chat"):
    """What SNS invokes a function with."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{TOPIC}-{action}:21be56ed-a058-49f5-8c98-aedd2564c486",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
                    "TopicArn": f"{TOPIC}-{action}",
                    "Subject": "ALARM: ...",
                    "Message": message if isinstance(message, str) else json.dumps(message),
                    "Timestamp": "2026-11-26T13:00:12.400Z",
                    "MessageAttributes": {},
                },
            }
        ]
    }
