"""The command line as a process that goes on, and the lines of its output as they come."""

import os
import queue
import subprocess
import sys
import threading

from tests.aws.moto_server import without_aws


class Program:
    """`upproxy` with some words; `out` and `err` are queues of lines, with None at the end."""

    def __init__(self, *words, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "upproxy", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**without_aws(dict(os.environ)), **(environment or {})},
        )  # fmt: skip
        self.out, self.err = queue.Queue(), queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            lines.put(line.decode())
        lines.put(None)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
