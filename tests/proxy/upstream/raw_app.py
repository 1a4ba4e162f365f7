"""An app of plain sockets: `raw_app.py FD[,FD]`, or on $PORT. A thread a connection; the path says what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

connections = 0
served = 0


def answer(connection: socket.socket, path: str, body: bytes) -> bytes | None:
    match path.strip("/").split("/"):
        case ["environment"]:
            return json.dumps({os.fsdecode(k): os.fsdecode(v) for k, v in os.environb.items()}).encode()
        case ["pid"]:
            return str(os.getpid()).encode()
        case ["echo"]:
            return body
        case ["counts"]:
            return json.dumps([connections, served]).encode()
        case ["family"]:
            return connection.family.name.encode()
        case ["nodelay"]:
            return str(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)).encode()
        case ["signals"]:
            return open("/proc/self/status", "rb").read()
        case ["print"]:
            os.write(1, body)
            return b"printed"
        case ["complain"]:
            os.write(2, body)
            return b"complained"
        case ["child"]:
            return str(subprocess.Popen(["sleep", "600"], close_fds=False).pid).encode()
        case ["kill"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["half"]:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhalf")
            os.kill(os.getpid(), signal.SIGKILL)
        case ["crash", code]:
            os.write(2, b"the reason of the crash\n")
            os._exit(int(code))
        case ["drop"]:
            return None
        case ["hang"]:
            time.sleep(600)
    return b"?"


def serve(connection: socket.socket) -> None:
    global served
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(65_536)
            if not more:
                connection.close()
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        while len(data) < length:
            data += connection.recv(65_536)
        body, data = data[:length], data[length:]
        served += 1
        reply = answer(connection, head.split(b" ")[1].decode(), body)
        if reply is None:
            connection.close()
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(reply), reply))


def accept(listener: socket.socket) -> None:
    global connections
    while True:
        accepted, _ = listener.accept()
        connections += 1
        threading.Thread(target=serve, args=(accepted,), daemon=True).start()


if len(sys.argv) > 1:
    listeners = [socket.socket(fileno=int(number)) for number in sys.argv[1].split(",")]
else:
    listeners = [socket.create_server(("127.0.0.1", int(os.environ["PORT"])))]
for other in listeners[1:]:
    threading.Thread(target=accept, args=(other,), daemon=True).start()
accept(listeners[0])
