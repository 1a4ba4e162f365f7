"""A runtime process on the standard library alone: does what the events, and its variables, ask for.

Started as `python scripted_runtime.py`; $SCRIPT is how it starts: `init-error`, `exit`, `hang`, `child` (leaves a child
in another process group), `deaf` (ignores SIGTERM), `once:FILE:SCRIPT` (the other one, the first time only),
`after:FILE:SCRIPT` (the other one, but not the first time), `extension:EVENTS` (registers for them, and tells what
comes), or empty. An event `{"do": ...}` is one of the functions below.
"""

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

BASE = "/2018-06-01/runtime"
NULS = bytes(8)
hoard = []


def post(connection, path, body, **fields):
    connection.request("POST", BASE + path, body, {name.replace("_", "-"): value for name, value in fields.items()})
    connection.getresponse().read()


def stream(connection, request_id, event):
    """Stream `chunks`, then end, `fail`, or `cut`; with `endless` until the Runtime API hangs up."""
    connection.putrequest("POST", f"{BASE}/invocation/{request_id}/response")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
    if event.get("prelude", True):
        connection.putheader("Content-Type", "application/vnd.awslambda.http-integration-response")
    connection.endheaders()
    head = {"statusCode": event.get("status", 200), "headers": event.get("headers", {"content-type": "text/plain"})}
    chunks = [json.dumps(head).encode() + NULS] if event.get("prelude", True) else []
    chunks += [chunk.encode() for chunk in event["chunks"]]
    for chunk in chunks:
        connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    if event.get("endless"):
        connection.sock.recv(65_536)
        print("hung up", flush=True)
        return
    if event.get("cut"):
        connection.close()
        return
    trailers = b""
    if event.get("fail"):
        body = base64.b64encode(json.dumps({"errorMessage": event["fail"], "errorType": "Broken"}).encode())
        trailers = (
            b"Lambda-Runtime-Function-Error-Type: Broken\r\nLambda-Runtime-Function-Error-Body: " + body + b"\r\n"
        )
    connection.send(b"0\r\n" + trailers + b"\r\n")
    connection.getresponse().read()


def serve(address):
    connection = http.client.HTTPConnection(address)
    while True:
        connection.request("GET", f"{BASE}/invocation/next")
        answer = connection.getresponse()
        raw = answer.read()
        event = json.loads(raw)
        request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        reply = f"/invocation/{request_id}"
        # Over HTTP the instructions are the body of the request.
        told = event
        if "do" not in event and event.get("body"):
            body = base64.b64decode(event["body"]) if event.get("isBase64Encoded") else event["body"]
            told = json.loads(body) if body[:1] in (b"{", "{") else {}
        do = told.get("do", "echo")
        if do == "echo":
            post(connection, f"{reply}/response", json.dumps({"statusCode": 200, "body": raw.decode()}).encode())
        elif do == "reply":
            post(connection, f"{reply}/response", told["payload"].encode())
        elif do == "environment":
            post(connection, f"{reply}/response", json.dumps(dict(os.environ)).encode())
        elif do == "print":
            print(told["text"], flush=True)
            print(told["text"], file=sys.stderr, flush=True)
            post(connection, f"{reply}/response", b"{}")
        elif do == "error":
            post(connection, f"{reply}/error", json.dumps({"errorMessage": "no", "errorType": "Odd"}).encode())
        elif do == "stream":
            stream(connection, request_id, told)
        elif do == "pid":
            post(
                connection,
                f"{reply}/response",
                json.dumps([os.getpid(), answer.headers["Lambda-Runtime-Aws-Tenant-Id"]]).encode(),
            )
        elif do == "tenant":
            who = json.dumps([os.getpid(), answer.headers["Lambda-Runtime-Aws-Tenant-Id"]])
            stream(connection, request_id, {"chunks": [who]})
        elif do == "trace":
            post(connection, f"{reply}/response", json.dumps(answer.headers["Lambda-Runtime-Trace-Id"]).encode())
        elif do == "left":
            left = int(answer.headers["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000
            post(connection, f"{reply}/response", json.dumps(left).encode())
        elif do == "child":
            child = subprocess.Popen(["sleep", "600"], process_group=0)
            post(connection, f"{reply}/response", json.dumps(child.pid).encode())
        elif do == "orphan":  # a process whose group has lost its leader
            command = "sleep 600 >/dev/null & echo $!"
            leader = subprocess.Popen(["sh", "-c", command], process_group=0, stdout=subprocess.PIPE, text=True)
            post(connection, f"{reply}/response", leader.communicate()[0].encode())
        elif do == "daemon":
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            post(connection, f"{reply}/response", json.dumps(child.pid).encode())
        elif do == "linger":  # work after the reply, for as long as a pipe says
            post(connection, f"{reply}/response", b"{}")
            with open(told["until"]) as gate:
                gate.read()
        elif do == "allocate":
            hoard.append(b"x" * (told["mb"] << 20))
            threading.Event().wait()
        elif do == "exit":
            os._exit(told["code"])
        elif do == "hang":
            threading.Event().wait()


def extend(address, events):
    """Register an extension, and be it in a thread of the runtime."""
    connection = http.client.HTTPConnection(address)
    base = "/2020-01-01/extension"
    connection.request("POST", f"{base}/register", json.dumps({"events": events}), {"Lambda-Extension-Name": "watch"})
    answer = connection.getresponse()
    answer.read()
    identity = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}

    def listen():
        while True:
            connection.request("GET", f"{base}/event/next", headers=identity)
            event = json.loads(connection.getresponse().read())
            print("extension", event["eventType"], event.get("shutdownReason", ""), flush=True)
            if event["eventType"] == "SHUTDOWN":
                connection.close()
                return

    threading.Thread(target=listen, daemon=True).start()


def main():
    script, _, argument = os.environ.get("SCRIPT", "").partition(":")
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    if script in ("once", "after"):
        path, _, rest = argument.partition(":")
        first = not os.path.exists(path)
        with open(path, "w"):
            script, _, argument = rest.partition(":") if first == (script == "once") else ("", "", "")
    if script == "extension":
        signal.signal(signal.SIGTERM, lambda *_: (print("terminated", flush=True), os._exit(0)))
        extend(address, argument.split(","))
    if script == "init-error":
        print("Traceback of it", file=sys.stderr, flush=True)
        post(
            http.client.HTTPConnection(address),
            "/init/error",
            json.dumps({"errorMessage": argument or "it cannot", "errorType": "Init"}).encode(),
        )
        sys.exit(1)
    if script == "exit":
        sys.exit(int(argument))
    if script == "hang":
        print("hanging", flush=True)
        threading.Event().wait()
    if script == "child":
        child = subprocess.Popen(["sleep", "600"], process_group=0)
        print(child.pid, flush=True)
    if script == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    slots = int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1"))
    for _ in range(slots - 1):
        threading.Thread(target=serve, args=(address,), daemon=True).start()
    serve(address)


if __name__ == "__main__":
    try:
        main()
    except ConnectionError:
        pass
