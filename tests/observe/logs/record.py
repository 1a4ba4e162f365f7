"""Records what apps and Lambda write: `python -m tests.observe.logs.record` makes recorded.jsonl anew.

The queries of test_recorded.py name lines of it by their ids: who records again has to look through them again.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CLIENTS = {
    "127.0.0.1": "198.51.100.7",
    "127.0.0.2": "207.194.34.24",
    "127.0.0.3": "207.46.13.9",
    "127.0.0.4": "20.7.1.1",
}
APP = """
name: accounts
environment: {START_SECONDS: "%s"}
lambda: {timeout: 2, memory: 256}
proxy: {timeout: 60}
"""

# Each session: the stage, seconds that the app takes to start, and requests as (client, method, target).
SESSIONS = (
    (
        "production",
        "0",
        (
            *(
                ("127.0.0.1", "GET", "/"),
                ("127.0.0.2", "GET", "/login?person=0"),
                ("127.0.0.2", "POST", "/login?person=1"),
            ),
            *(("127.0.0.3", "GET", "/login?person=2"), ("127.0.0.3", "GET", "/static/a.css")),
            *(("127.0.0.1", "GET", "/static/css/b.css"), ("127.0.0.1", "GET", "/static/logo.png")),
            *(("127.0.0.4", method, "/cart?size=200") for method in ("GET", "POST", "PUT", "DELETE", "PATCH")),
            *(("127.0.0.1", "GET", "/cart?size=150000"), ("127.0.0.1", "PUT", "/cart?size=102400")),
            *(("127.0.0.1", "GET", "/pay"), ("127.0.0.2", "GET", "/broken"), ("127.0.0.1", "GET", "/nowhere")),
            *(("127.0.0.1", "GET", "/slow?seconds=0.3"), ("127.0.0.2", "GET", "/slow?seconds=1.6")),
            *(("127.0.0.1", "GET", "/slow?seconds=5"), ("127.0.0.1", "GET", "/"), ("127.0.0.1", "POST", "/logout")),
            *(
                ("127.0.0.1", "GET", "/greedy"),
                ("127.0.0.1", "GET", "/hang"),
                ("127.0.0.1", "GET", "/login?person=3&token=abc"),
                ("127.0.0.1", "DELETE", "/"),
            ),
        ),
    ),
    (
        "staging",
        "0.9",
        (
            *(
                ("127.0.0.1", "GET", "/"),
                ("127.0.0.2", "POST", "/login?person=1"),
                ("127.0.0.1", "GET", "/login?person=3"),
            ),
            *(("127.0.0.1", "GET", "/static/a.css"), ("127.0.0.1", "POST", "/cart"), ("127.0.0.3", "DELETE", "/cart")),
            *(("127.0.0.1", "GET", "/broken"), ("127.0.0.1", "GET", "/pay"), ("127.0.0.4", "GET", "/missing")),
            *(("127.0.0.1", "GET", "/slow?seconds=1.6"), ("127.0.0.1", "GET", "/cart?size=300000")),
            *(("127.0.0.1", "POST", "/logout"), ("127.0.0.1", "PUT", "/"), ("127.0.0.1", "GET", "/pay")),
        ),
    ),
)
AT_ONCE = 3  # requests that make further instances start


def main() -> None:
    events = [event for stage, seconds, requests in SESSIONS for event in session(stage, seconds, requests)]
    lines = [json.dumps({"id": f"r{number:03}", **event}) for number, event in enumerate(events, 1)]
    (HERE / "recorded.jsonl").write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} lines")


def session(stage, seconds, requests):
    """Serve requests by `upproxy start --lambda`, and return what it wrote as events of a log group."""
    events = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text((HERE / "accounts" / "app.py").read_text())
        (Path(folder) / "up.yml").write_text(APP % seconds)
        command = [sys.executable, "-m", "upproxy", "start", "--lambda", "--no-reload", "-s", stage, "-C", folder]
        process = subprocess.Popen(
            [*command, "--address", "127.0.0.1:0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            for line in process.stderr:
                if found := re.search(r"serving on http://127\.0\.0\.1:(\d+)", line):
                    break
            threading.Thread(target=process.stderr.read, daemon=True).start()
            reader = threading.Thread(target=lambda: events.extend(read(process.stdout, folder, stage)))
            reader.start()
            port = int(found[1])
            for client, method, target in requests:
                ask(port, client, method, target)
            others = [
                threading.Thread(target=ask, args=(port, "127.0.0.1", "GET", "/slow?seconds=0.2"))
                for _ in range(AT_ONCE)
            ]
            for other in others:
                other.start()
            for other in others:
                other.join()
        finally:
            process.terminate()
            process.wait(20)
            reader.join(20)
    return events


def ask(port, client, method, target):
    connection = http.client.HTTPConnection("127.0.0.1", port, source_address=(client, 0), timeout=60)
    try:
        connection.request(method, target)
        connection.getresponse().read()
    finally:
        connection.close()


def read(stream, folder, stage):
    """Yield the lines as CloudWatch would have them, without what tells of the machine that they are from."""
    for text in stream:
        bare = text.rstrip("\n")
        bare = bare.replace(folder, "/var/task").replace(sys.prefix, "/var/lang").replace(str(ROOT), "/var/task")
        bare = re.sub(r"/[^\" ]*/lib/(python3\.\d+)/", r"/var/lang/lib/\1/", bare)
        for local, public in CLIENTS.items():
            bare = bare.replace(f'"ip": "{local}"', f'"ip": "{public}"')
        # The gateway in front is no part of Lambda. What it says of a crash, Lambda writes as a line of its own.
        if found := re.search(r'"the invocation failed: (.*?)", "kind": "(.*?)"', bare):
            if not found[1].startswith("RequestId: "):
                continue
            bare = f"{found[1]}\n{found[2]}"
        yield {"timestamp": int(time.time() * 1000), "stage": stage, "stream": f"[$LATEST]{stage}", "message": bare}


if __name__ == "__main__":
    main()
