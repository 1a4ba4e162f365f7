"""Dates, entity tags and ranges: what is written is read, and nothing else is."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upproxy.proxy.messages import Headers
from upproxy.proxy.middleware.static.conditions import byte_range, entity_tags, evaluate, http_date, moment_of

quick = settings(max_examples=200, deadline=None)
YEAR_1000 = -30_610_224_000
MOMENTS = st.integers(-62_135_596_800, 253_402_300_799)  # years 1 to 9999


@quick
@given(MOMENTS)
@example(951_782_400)  # 29 February 2000
@example(-1)
def test_dates(moment):
    text = http_date(moment)
    assert moment_of(text) == moment
    if moment >= 0:
        assert text == formatdate(moment, usegmt=True)
    assert moment < YEAR_1000 or parsedate_to_datetime(text).timestamp() == moment  # it takes 0099 for 1999


@quick
@given(st.text(max_size=32) | st.text("SunMoFr, 0123456789:GTNov", min_size=29, max_size=29))
@example("Sun, 06 Nov 1994 08:49:37 GMT")
@example("Mon, 06 Nov 1994 08:49:37 GMT")  # it was a Sunday
@example("Tue, 30 Feb 1994 08:49:37 GMT")
@example("Sun, 06 Nov 1994 08:49:60 GMT")
@example("Sun Nov  6 08:49:37 1994")
@example("Sunday, 06-Nov-94 08:49:37 GMT")
@example("Sun, 06 Nov ١٩٩٤ 08:49:37 GMT")
def test_what_is_no_date(text):
    moment = moment_of(text)
    assert moment is None or http_date(moment) == text


OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f'), max_size=8)
TAGS = st.lists(st.tuples(st.sampled_from(["", "W/"]), OPAQUE).map(lambda pair: f'{pair[0]}"{pair[1]}"'), max_size=5)


@quick
@given(TAGS, st.sampled_from([",", ", ", " ,\t", ",, ,"]))
def test_entity_tags(tags, separator):
    assert entity_tags(separator.join(tags)) == tags
    assert entity_tags(f" , {separator.join(tags)} ,") == tags


@quick
@given(st.text('"W/, ab\t*', max_size=20))
@example('W/"a"b"')
@example('"a" "b"')
@example('w/"a"')
def test_any_text_as_entity_tags(text):
    for tag in entity_tags(text):
        assert tag in text
        assert tag.removeprefix("W/").count('"') == 2


@quick
@given(TAGS, st.booleans())
def test_if_none_match_is_weak_and_if_match_strong(tags, listed):
    own = '"own"'
    others = [tag for tag in tags if tag.removeprefix("W/") != own]
    for tag in (own, f"W/{own}"):
        field = ", ".join([*others, tag] if listed else others)
        assert evaluate(Headers([("if-none-match", field)]), own, None) == (304 if listed else 0)
        assert evaluate(Headers([("if-match", field)]), own, None) == (0 if listed and tag == own else 412)
    assert evaluate(Headers([("if-none-match", tag) for tag in [*others, own]]), own, None) == 304


def test_dates_count_only_without_tags():
    date = http_date(1_000_000_000)
    later = http_date(1_000_000_001)
    earlier = http_date(999_999_999)
    modified = 1_000_000_000

    def status(**fields: str) -> int:
        return evaluate(Headers((name.replace("_", "-"), text) for name, text in fields.items()), '"a"', modified)

    assert status(if_modified_since=date) == status(if_modified_since=later) == 304
    assert status(if_modified_since=earlier) == status(if_modified_since="yesterday") == 0
    assert status(if_modified_since=date, if_none_match='"b"') == 0
    assert status(if_unmodified_since=earlier) == 412
    assert status(if_unmodified_since=date) == status(if_unmodified_since="x") == 0
    assert status(if_unmodified_since=earlier, if_match='"a"') == 0
    assert status(if_match="*", if_none_match="*") == 304


@quick
@given(st.integers(0, 1_000), st.integers(0, 1_200), st.integers(0, 1_200))
def test_ranges(size, first, last):
    content = bytes(number % 256 for number in range(size))

    def part(text: str) -> bytes | None:
        found = byte_range(text, size)
        if found is None:
            return None
        assert 0 <= found.start <= found.stop <= size or not found
        return content[found.start : found.stop] if found else b""

    both = part(f"bytes={first}-{last}")
    assert both == (content[first : last + 1] if first <= last else None)
    assert part(f"bytes={first}-") == content[first:]
    if size:
        assert part(f"bytes=-{last}") == (content[-last:] if last else b"")


@pytest.mark.parametrize(
    "text",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2,3-4", "bytes=--1", "bytes=1--2", "items=0-1",
     "bytes=0x1-2", "bytes=+1-2", "bytes=1-2-3", "bytes=٣-٤", "bytes 0-1", "bytes=1_0-20", "bytes=1 -2"],
)  # fmt: skip
def test_what_is_no_range(text):
    assert byte_range(text, 100) is None


@quick
@given(st.text("bytes=0123456789-, ", max_size=16), st.integers(0, 50))
@example("bytes=0-" + "9" * 5_000, 10)
@example("bytes=" + "9" * 5_000 + "-", 10)
@example("BYTES= 0-0", 1)
def test_any_text_as_a_range(text, size):
    found = byte_range(text, size)
    assert found is None or not found or (0 <= found.start < found.stop <= size)
