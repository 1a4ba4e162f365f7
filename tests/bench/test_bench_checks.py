"""A benchmark of wrong replies is worth nothing: each kind of wrong reply is noticed, wherever it comes from."""

import base64
import json
import os
import sys
from dataclasses import replace

import pytest

from bench import __main__ as command
from bench import rounds
from bench.candidates import DelayedHop, Direct, EmptyHop, Upproxy
from bench.cases import CASES, Answer, read_reply, read_response
from bench.driver import WrongReply
from bench.processes import cpu_ns, memory, together

GET = CASES["starlette/get"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_right_reply_of_each_case_is_right(case):
    case = replace(case, times=min(case.times, 2))
    assert case.fault(read_reply(case.reply(), streamed=case.streamed)) == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"status": 500}, "status 500 instead of 200"),
        ({"headers": {"content-type": "text/plain"}}, "header content-type is 'text/plain'"),
        ({"headers": {"content-type": "application/json"}}, "header x-bench is None"),
        ({"cookies": []}, "cookies []"),
        ({"body": b'{"hello":"worlds"}'}, "a body of 18 bytes that is not the right one of 17"),
    ],
)
def test_every_part_of_an_answer_counts(change, fault):
    right = read_reply(GET.reply(), streamed=False)
    assert GET.fault(right._replace(**change)).startswith(fault)


def test_an_event_holds_the_request():
    case = CASES["flask/megabyte"]
    event = json.loads(case.event())
    assert base64.b64decode(event["body"]) == case.body
    assert event["requestContext"]["http"]["method"] == "POST"
    head, _, body = case.request().partition(b"\r\n\r\n")
    assert body == case.body
    assert head.startswith(b"POST /echo HTTP/1.1\r\nhost: shop.example.com\r\n")


def test_a_response_is_read_with_all_its_cookies():
    head = b"HTTP/1.1 201 Created\r\nSet-Cookie: a=1\r\nX-A: b: c\r\nset-cookie: b=2\r\n"
    assert read_response(head, b"x") == Answer(201, {"x-a": "b: c"}, ["a=1", "b=2"], b"x")


@pytest.mark.parametrize("name", ["starlette/get", "starlette/get-streamed", "starlette/echo-x16"])
def test_a_wrong_reply_to_the_runtime_api_is_noticed(name):
    class Liar(EmptyHop):
        name = "liar"

        def launch(self):
            truth, self.case = self.case, replace(self.case, answer=b'{"hello":"mars!"}')
            process = super().launch()
            self.case = truth
            return process

    with pytest.raises(WrongReply, match=f"liar, {name}: a body of 1[0-9] bytes"), Liar(CASES[name]) as liar:
        liar.start().run(20)


def test_a_buffered_reply_where_a_stream_is_due_is_noticed():
    class Gatherer(EmptyHop):
        def launch(self):
            case, self.case = self.case, GET
            process = super().launch()
            self.case = case
            return process

    case = CASES["starlette/get-streamed"]
    with pytest.raises(WrongReply, match="should have been streamed"), Gatherer(case) as gatherer:
        gatherer.start().run(1)


def test_an_app_that_dies_is_told_with_its_output():
    case = replace(GET, app=replace(GET.app, attribute="bench.apps.starlette_app:no_such_app"))
    with (
        pytest.raises(WrongReply, match=r"(?s)upproxy, starlette/get: .*init/error.*no_such_app"),
        Upproxy(case) as one,
    ):
        one.start().run(1)


def test_a_missing_access_line_is_noticed():
    def ask_and_miscount():
        with Upproxy(GET) as candidate:
            candidate.start().run(3)
            candidate.asked += 1

    with pytest.raises(WrongReply, match="3 access lines for 4 requests"):
        ask_and_miscount()


def test_no_process_and_no_file_stays():
    with Upproxy(GET) as candidate:
        candidate.start().run(1)
        proxy, driver = candidate.process.pid, candidate.driver.process.pid
        with open(f"/proc/{proxy}/task/{proxy}/children") as file:
            app = int(file.read())
    assert not any(os.path.exists(f"/proc/{pid}") for pid in (proxy, driver, app))
    assert not os.path.exists(candidate.folder)


def test_memory_and_cpu_time_are_those_of_the_process():
    with Direct(GET) as app:
        app.start().run(1)
        before = cpu_ns(app.tested())
        app.run(200)
        assert cpu_ns(app.tested()) > before
        assert app.tested() == (app.process.pid,)
        rss, pss = memory(app.tested())
        with open(f"/proc/{app.process.pid}/statm") as file:
            pages = int(file.read().split()[1])
        assert rss == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, rel=0.05)
        assert pss <= rss
        assert together(app.tested()) == pytest.approx(rss, rel=0.05)


class Liar(EmptyHop):
    """Gives a wrong reply, as another candidate or as a rival."""

    name = "liar"

    def launch(self):
        truth, self.case = self.case, replace(self.case, status=418)
        process = super().launch()
        self.case = truth
        return process


def run(monkeypatch, output, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench", *arguments, "--output", str(output)])
    return command.main(), json.loads(output.read_text())


def test_a_wrong_reply_of_ours_ends_the_command_with_1(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(rounds, "OWN", [EmptyHop, Liar])
    code, results = run(monkeypatch, tmp_path / "results.json", "--quick", "--cases", "first-byte")
    assert code == 1
    assert "wrong: liar, starlette/first-byte: status 418 instead of 200" in capsys.readouterr().err
    assert results["rows"] == []
    assert [(one["case"], one["candidate"]) for one in results["not_run"]] == [("starlette/first-byte", "all")]


def test_a_rival_with_a_wrong_reply_is_left_out_and_the_others_are_measured(monkeypatch):
    class Rival(Liar):
        is_rival = True

    monkeypatch.setattr(rounds, "candidates", lambda case: [EmptyHop, Rival])
    outcome = rounds.measure(GET, rounds=1, count=5, missing={})
    assert [row["candidate"] for row in outcome.rows] == ["empty hop"]
    (left_out,) = outcome.not_run
    assert (left_out["case"], left_out["candidate"]) == (GET.name, "liar")
    assert "status 418 instead of 200" in left_out["reason"]


def test_a_rival_that_is_not_installed_is_left_out(monkeypatch):
    class Rival(EmptyHop):
        name = "not there"
        needs = "something"

    monkeypatch.setattr(rounds, "candidates", lambda case: [EmptyHop, Rival])
    outcome = rounds.measure(GET, rounds=1, count=5, missing={"something": "no compiler"})
    assert [row["candidate"] for row in outcome.rows] == ["empty hop"]
    assert outcome.not_run == [{"case": GET.name, "candidate": "not there", "reason": "no compiler"}]


def test_a_harness_that_measures_wrongly_ends_the_command_with_1(monkeypatch, tmp_path, capsys):
    class SlowerThanItSays(DelayedHop):
        delay = 2 * DelayedHop.delay

    monkeypatch.setattr(rounds, "DelayedHop", SlowerThanItSays)
    monkeypatch.setattr(command, "_missing", lambda *_, **__: {})
    monkeypatch.setattr(command, "_part", lambda *_, **__: None)
    code, results = run(monkeypatch, tmp_path / "results.json", "--rounds", "1", "--cases", "starlette/get-streamed")
    assert code == 1
    assert "NOT within 10 %" in capsys.readouterr().out
    assert not results["harness"]["ok"]
    assert results["complete"]


def test_what_was_measured_before_an_interruption_is_kept(monkeypatch, tmp_path, capsys):
    def part(name, results, **_):
        if name != "starlette/first-byte":
            raise KeyboardInterrupt
        results["not_run"].append({"case": name, "candidate": "one", "reason": "for the test"})

    monkeypatch.setattr(command, "_part", part)
    code, results = run(monkeypatch, tmp_path / "results.json", "--quick", "--cases", "first-byte,echo-x16")
    assert code == 130
    assert [one["case"] for one in results["not_run"]] == ["starlette/first-byte"]
    assert not results["complete"]
    assert "what was measured so far is in" in capsys.readouterr().err
