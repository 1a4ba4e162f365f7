import pytest

from upproxy.observe.logs.paragraphs import LONGEST, MOMENT, paragraphs

HEAD = "Traceback (most recent call last):"
FRAME = '  File "app.py", line 3, in page'
CHAIN = "During handling of the above exception, another exception occurred:"


def lines(*messages, stream="a", at=0, level="error", **fields):
    return [
        (at + number, stream, {"level": level, "message": message, **fields}) for number, message in enumerate(messages)
    ]


def put(*portions):
    return [[one.entry["message"], *one.more] for portion in paragraphs(portions) for one in portion]


def test_a_traceback_with_what_it_is_about_and_its_causes():
    whole = ["Exception on / [GET]", HEAD, FRAME, "    1 / 0", "ZeroDivisionError: division by zero",
             CHAIN, HEAD, FRAME, "ValueError: 5"]  # fmt: skip
    assert put(lines("before", *whole, "after")) == [["before"], whole, ["after"]]


def test_a_group_of_exceptions():
    whole = ["  + Exception Group Traceback (most recent call last):", "  |   File", "    +------------------------"]
    assert put(lines(*whole, "after")) == [whole, ["after"]]


def test_tracebacks_one_after_another_are_two():
    one = [HEAD, FRAME, "ValueError: 5"]
    assert put(lines(*one, *one)) == [one, one]
    assert put(lines(HEAD, HEAD, FRAME)) == [[HEAD], [HEAD, FRAME]]


def test_lines_that_begin_with_a_space_continue():
    assert put(lines("SELECT *", "  FROM users", "\tWHERE 1", "done")) == [
        ["SELECT *", "  FROM users", "\tWHERE 1"], ["done"],
    ]  # fmt: skip


def test_streams_that_write_at_the_same_time():
    mixed = [one for pair in zip(lines(HEAD, FRAME, "A: 1"), lines(HEAD, FRAME, "B: 2", stream="b"), strict=True)
             for one in pair]  # fmt: skip
    assert put(mixed) == [[HEAD, FRAME, "A: 1"], [HEAD, FRAME, "B: 2"]]


@pytest.mark.parametrize(
    "second",
    [lines("  x", at=MOMENT + 1), lines("  x", level="info"), lines("  x", request_id="7"), lines("  x", stream="b")],
    ids=["later", "level", "request", "stream"],
)
def test_what_does_not_belong_together(second):
    assert put(lines("first") + second) == [["first"], ["  x"]]


def test_what_is_split_between_portions():
    whole = lines(HEAD, FRAME, "ValueError: 5")
    assert put(*([one] for one in whole)) == [[HEAD, FRAME, "ValueError: 5"]]


def test_nothing_is_held_longer_than_a_look():
    feed = paragraphs(iter([lines("one", "two"), [], lines("three"), []]))
    assert [[one.entry["message"] for one in portion] for portion in feed] == [["one"], ["two"], ["three"]]


def test_a_paragraph_has_an_end():
    found = put(lines("first", *["  x"] * 3 * LONGEST))
    assert max(map(len, found)) == LONGEST + 1
    assert sum(map(len, found)) == 3 * LONGEST + 1


def test_messages_that_are_no_text():
    assert put(lines("first", 5, None)) == [["first"], [5], [None]]
