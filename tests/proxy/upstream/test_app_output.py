"""What the app prints becomes log lines, whose they are and before the reply."""

from __future__ import annotations

import json
import os
import tracemalloc
from time import monotonic

import pytest

from tests.proxy.scripting import LIMIT, outcome
from tests.proxy.upstream.conftest import python
from upproxy.proxy.log import Log
from upproxy.proxy.manifest import LogOptions
from upproxy.proxy.upstream.output import LINE_LIMIT, TAIL, Output


class Pipes:
    """An output whose pipes the test writes to, and its log."""

    def __init__(self, loop, folder):
        self.loop = loop
        self.file = open(folder / "log", "w+b", buffering=0)  # noqa: SIM115
        self.in_flight = set()
        self.output = Output(loop, Log(self.file.fileno()), LogOptions(), self.in_flight)
        self.out, self.err = self.attach()

    def attach(self):
        out_read, out = os.pipe()
        err_read, err = os.pipe()
        os.set_blocking(out_read, False)
        os.set_blocking(err_read, False)
        self.output.attach(out_read, err_read)
        return out, err

    def end(self):
        """Close the writing ends, once: their numbers may be others' after that."""
        for end in (self.out, self.err):
            if end >= 0:
                os.close(end)
        self.out = self.err = -1

    def lines(self):
        self.file.seek(0)
        return [json.loads(line) for line in self.file.read().splitlines()]

    def messages(self):
        return [line["message"] for line in self.lines()]


@pytest.fixture
def pipes(loop, tmp_path):
    pipes = Pipes(loop, tmp_path)
    yield pipes
    pipes.output.close()
    pipes.file.close()
    pipes.end()


def test_lines_get_the_level_of_their_pipe(pipes):
    os.write(pipes.out, b"one\ntwo\r\n\nthree")
    os.write(pipes.err, b"four\n")
    pipes.output.drain()
    assert [(line["level"], line["message"]) for line in pipes.lines()] == [
        ("info", "one"),
        ("info", "two"),
        ("error", "four"),
    ]
    os.write(pipes.out, b"\n")
    pipes.output.drain()
    assert pipes.messages()[3:] == ["three"]
    assert all(next(iter(line)) == "timestamp" for line in pipes.lines())


def test_lines_are_logged_while_the_loop_waits(pipes, loop):
    os.write(pipes.out, b"early\n")

    async def main():
        while not pipes.lines():
            await loop.pause(monotonic() + LIMIT)

    outcome(loop, main())
    assert pipes.messages() == ["early"]


def test_a_json_line_with_a_level_keeps_its_fields(pipes):
    own = [
        {"level": "warning", "event": "sold out", "sku": 7, "nested": {"a": [1, None]}},
        {"timestamp": "then", "level": "debug", "message": "é\ud800"},
    ]
    os.write(pipes.out, b"".join(json.dumps(line).encode() + b"\r\n" for line in own))
    pipes.output.drain()
    first, second = pipes.lines()
    assert first.pop("timestamp")
    assert [first, second] == own


@pytest.mark.parametrize(
    "line",
    [
        b'{"message": "no level"}',
        b'{"level": 3}',
        b'{"level": null}',
        b'{"level": "info"',
        b'{"level": "info"} }',
        b"{}",
        b"{",
        b"}",
        b"{x}",
        b'["level"]',
        b'{"level": "info", "a": NaN}',
        b'{"level": "info", "a": 1e999}',
        b'{"level": "info", "a": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
        b'{"level": "\xff"}',
        b'{"a": "' + b"1" * 100 + b"\\x}",
    ],
)
def test_every_other_line_is_text(pipes, line):
    os.set_blocking(pipes.out, False)
    rest = line + b"\n"
    while rest:
        try:
            rest = rest[os.write(pipes.out, rest) :]
        except BlockingIOError:
            pipes.output.drain()
    pipes.output.drain()
    assert pipes.messages() == [line.decode("utf-8", "backslashreplace")]
    assert pipes.lines()[0]["level"] == "info"


def test_bytes_that_are_no_utf_8_are_shown(pipes):
    os.write(pipes.out, "é".encode() + b" \xff\xfe \x1b[31m\0\n")
    pipes.output.drain()
    assert pipes.messages() == ["é \\xff\\xfe \x1b[31m\0"]


def test_a_line_has_the_request_id_only_when_there_is_exactly_one(pipes):
    own = b'{"level":"info","message":"own","request_id":"mine"}\n'
    for ids in ([], ["a"], ["a", "b"]):
        pipes.in_flight.clear()
        pipes.in_flight.update(ids)
        os.write(pipes.out, b"text\n" + own)
        pipes.output.drain()
    assert [line.get("request_id") for line in pipes.lines()] == [None, "mine", "a", "mine", None, "mine"]


def test_a_long_line_comes_in_pieces_and_whole(pipes):
    long = bytes(ord("a") + number % 26 for number in range(LINE_LIMIT * 3))
    os.set_blocking(pipes.out, False)
    rest = long + b"\nafter\n"
    while rest:
        try:
            rest = rest[os.write(pipes.out, rest) :]
        except BlockingIOError:
            pipes.output.drain()
    pipes.output.drain()
    *pieces, after = pipes.messages()
    assert "".join(pieces).encode() == long
    assert max(map(len, pieces)) <= LINE_LIMIT
    assert after == "after"


def test_what_is_left_without_an_end_is_logged_when_the_pipe_ends(pipes, loop):
    os.write(pipes.out, b"no end")
    pipes.end()

    async def main():
        while pipes.output._pipes:
            await loop.pause(monotonic() + LIMIT)

    outcome(loop, main())
    assert pipes.messages() == ["no end"]
    assert not loop._channels


def test_a_new_app_starts_a_new_tail_and_the_old_pipes_are_still_read(pipes):
    os.write(pipes.out, b"".join(b"%d\n" % number for number in range(100)))
    pipes.output.drain()
    assert pipes.output.tail == [str(number) for number in range(100 - TAIL, 100)]
    out, err = pipes.attach()
    assert pipes.output.tail == []
    os.write(pipes.err, b"from the old one\n")
    os.write(out, b"from the new one\n")
    pipes.output.drain()
    assert set(pipes.messages()[100:]) == {"from the old one", "from the new one"}
    os.close(out)
    os.close(err)


def test_a_flood_is_read_in_bounded_memory_and_lets_others_run(upstream):
    """20 MB as fast as they go; meanwhile requests are answered, and every line is there in the end."""
    line = b"x" * 99 + b"\n"
    program = (
        "import os, socket, sys, threading; s = socket.socket(fileno=int(sys.argv[1]))\n"
        "def flood():\n"
        f" data = {line!r} * 10_000\n"
        " for _ in range(20):\n"
        "  rest = data\n"
        "  while rest: rest = rest[os.write(1, rest):]\n"
        " os.write(1, b'end of it\\n')\n"
        "threading.Thread(target=flood).start()\n"
        "while True:\n"
        " c, _ = s.accept()\n"
        " while c.recv(65536): c.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok')\n"
    )
    app = upstream(python(program))
    size = 0
    ended = False
    write_lines = app.output._log.write_lines

    def count(lines):
        nonlocal size, ended
        size += sum(len(line["message"]) + 1 for line in lines if line["message"][0] == "x")
        ended = ended or any(line["message"] == "end of it" for line in lines)
        assert len(app.loop._timers) < 20
        if any(line["message"][0] != "x" for line in lines):
            write_lines(lines)

    app.output._log.write_lines = count

    async def main():
        answers = 0
        while not ended:
            answers += (await app.ask("/")).body == b"ok"
        return answers

    tracemalloc.start()
    try:
        assert app.run(main()) > 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 20 * 10_000 * len(line)
    assert peak < 16_000_000


def test_what_is_printed_before_the_answer_is_logged_before_it_with_its_id(upstream):
    app = upstream()

    async def main():
        await app.reach("ready")
        for number in range(300):
            path = "/print" if number % 2 else "/complain"
            response = await app.ask(path, b"line %d\n" % number, request_id=f"id-{number}")
            assert response.status == 200
            last = app.output.tail[-1]
            assert last == f"line {number}"

    app.run(main())
    printed = [line for line in app.lines() if line["message"].startswith("line ")]
    assert [(line["message"], line["request_id"]) for line in printed] == [
        (f"line {number}", f"id-{number}") for number in range(300)
    ]
