"""An app that does what it is asked to, down to the bytes of its answer. Run: app.py FD (or $PORT without)."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await answer(reader, writer):
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def plain(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", kind: str = "text/plain") -> None:
    writer.write(f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)


def work(seconds: float) -> None:
    """Use so much processor time, and tell."""
    while time.thread_time() < seconds:
        pass
    print("worked")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    headers = [tuple(field.split(": ", 1)) for field in fields]
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    body = await reader.readexactly(length)
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    match url.path:
        case "/echo":
            seen = {"method": method, "target": target, "headers": headers, "body": base64.b64encode(body).decode()}
            plain(writer, json.dumps(seen).encode(), kind="application/json")
        case "/pid":
            plain(writer, str(os.getpid()).encode())
        case "/print":
            print(query["text"])
            print(query["text"], file=sys.stderr)
            plain(writer, b"printed")
        case "/slow":
            await asyncio.sleep(int(query["ms"]) / 1000)
            plain(writer, query.get("mark", "slept").encode())
        case "/work":
            plain(writer, b"begun")
            threading.Thread(target=work, args=[int(query["ms"]) / 1000]).start()
        case "/never":
            await reader.read()
            return False
        case "/kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "/exit":
            os._exit(int(query["code"]))
        case "/big":
            plain(writer, b"x" * int(query["bytes"]), kind=query.get("type", "text/plain"))
        case "/status":
            plain(writer, b"as you wish\n", status=f"{query['code']} Whatever")
        case "/stream" | "/broken" | "/endless":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for number in range(int(query.get("n", "1"))):
                writer.write(chunk(b"data: %d\n\n" % number))
                await writer.drain()
            if "mark" in query:
                writer.write(chunk(query["mark"].encode()))
            if url.path == "/broken":
                print("breaking off")
                return False
            if url.path == "/endless":
                print("waiting for the end of the reader")
                try:
                    await reader.read()
                except ConnectionError:  # what it was sent has not all been read
                    pass
                print("the reader has left")
                return False
            writer.write(b"0\r\n\r\n")
        case "/raw":
            if not url.query:  # its end goes in the packet of its last bytes, so that who has read them knows of it
                writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            step = int(query.get("step", len(body) or 1))  # bytes at a time
            for at in range(0, len(body), step):
                writer.write(body[at : at + step])
                await writer.drain()
                if "step" in query:
                    await asyncio.sleep(0)
            if "reset" in query:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            return "keep" in query
        case _:
            plain(writer, b"no such route\n", status="404 Not Found")
    await writer.drain()
    return True


async def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: print("terminated") or os._exit(0))
    if len(sys.argv) > 1:
        server = await asyncio.start_server(handle, sock=socket.socket(fileno=int(sys.argv[1])), limit=1 << 20)
    else:
        server = await asyncio.start_server(handle, "127.0.0.1", int(os.environ["PORT"]), limit=1 << 20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
