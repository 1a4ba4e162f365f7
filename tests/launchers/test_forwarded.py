"""X-Forwarded-For as load balancers, gateways and liars write it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from upproxy.launchers._upproxy_launch import address, forwarded

PORTS = st.integers(1, 65_535)
ENTRIES = st.one_of(
    st.ip_addresses(v=4).map(lambda ip: (str(ip), (str(ip), 0))),
    st.ip_addresses(v=6).map(lambda ip: (str(ip), (str(ip), 0))),
    st.ip_addresses(v=6).map(lambda ip: (f"[{ip}]", (str(ip), 0))),
    st.tuples(st.ip_addresses(v=4), PORTS).map(lambda both: (f"{both[0]}:{both[1]}", (str(both[0]), both[1]))),
    st.tuples(st.ip_addresses(v=6), PORTS).map(lambda both: (f"[{both[0]}]:{both[1]}", (str(both[0]), both[1]))),
)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters=","))), ENTRIES, st.sampled_from(["", " ", "\t"]))
def test_the_last_entry_counts_whatever_is_claimed_before(claims, entry, space):
    written, read = entry
    assert address(forwarded(",".join([*claims, f"{space}{written}{space}"]))) == read


@given(st.text())
@example("203.0.113.7:²")
@example("[::1]:²")
def test_any_text_has_a_host_and_a_port(text):
    host, port = address(forwarded(text))
    assert isinstance(host, str)
    assert isinstance(port, int)
    assert "," not in host
