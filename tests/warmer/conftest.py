import json
import threading
import time

import pytest

from upproxy.warmer.warmer import Throttled


class Instances:
    """Instances as a function has them: each takes one message at a time, the one that was used last first.

    `limit` is how many there may be. `latency` gives the seconds that a message needs on its way, by its number.
    `troubles` are exceptions that the next messages meet instead.
    """

    def __init__(self, limit=100, latency=lambda number: 0.0, troubles=()):
        self.limit = limit
        self.latency = latency
        self.troubles = list(troubles)
        self.messages = []
        self.idle = []
        self.made = 0
        self.most = 0
        self.lock = threading.Lock()

    def invoke(self, target, message):
        with self.lock:
            number = len(self.messages)
            hold = json.loads(message)["upproxy"]["warm"]["hold_ms"]
            self.messages.append(hold)
            if self.troubles and (trouble := self.troubles.pop(0)):
                raise trouble
        time.sleep(self.latency(number))
        with self.lock:
            cold = not self.idle
            if cold:
                if self.made == self.limit:
                    raise Throttled("Rate Exceeded.")
                self.made += 1
                self.idle.append(f"i-{self.made}")
            instance = self.idle.pop()
            self.most = max(self.most, self.made - len(self.idle))
        time.sleep(hold / 1000)
        with self.lock:
            self.idle.append(instance)
        return json.dumps({"instance": instance, "cold": cold}).encode()


@pytest.fixture
def instances():
    return Instances
