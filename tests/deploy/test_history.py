"""What was live before, as the alias remembers it; and how a release is found by what people call it."""

import re
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upproxy.deploy import commit, history
from upproxy.deploy.commit import LENGTH, Commit
from upproxy.deploy.errors import NotDeployed

AT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)


def version(number, sha="", message=""):
    line = Commit(sha, False, "Ann", message).line(AT)
    return {"Version": str(number), "Description": line, "CodeSha256": f"sha{number}", "CodeSize": 10}


def alias(live, description="the first release"):
    return {"FunctionVersion": str(live), "Description": description, "RevisionId": "r"}


def after(*moves):
    """Return the alias after a series of versions went live."""
    found = None
    for live in moves:
        found = alias(live, history.succession(found, str(live)))
    return found


@pytest.mark.parametrize(
    ("moves", "before"),
    [
        ((1,), []),
        ((1, 2, 3), ["2", "1"]),
        ((1, 3), ["1"]),  # 2 was published, and not healthy
        ((1, 2, 3, 2), ["1"]),  # rolled back: 3 does not come back by another rollback
        ((1, 2, 3, 2, 1), []),
        ((1, 2, 3, 2, 4), ["2", "1"]),
        ((1, 2, 3, 1), []),
        ((1, 2, 2), ["1"]),
        ((1, 2, 1, 2), ["1"]),  # forward again, by its name
    ],
)
def test_what_was_live_before(moves, before):
    assert history.lived_before(after(*moves)) == before


def test_what_was_rolled_back():
    assert history.rolled_back(after(1, 2, 3, 1)) == ["3", "2"]
    assert history.rolled_back(after(1, 2, 3, 2, 4)) == ["3"]
    forward = after(1, 2, 1, 2)
    assert (history.rolled_back(forward), history.lived_before(forward)) == ([], ["1"])
    found = history.history([version(n) for n in (1, 2, 3)], after(1, 2, 1))
    assert [(one.undone, one.served) for one in found.releases] == [(False, True), (True, True), (False, False)]


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=80))
def test_the_alias_has_room_and_never_names_the_live_one_as_its_own_past(moves):
    found = after(*moves)
    assert len(found["Description"]) <= LENGTH
    before = history.lived_before(found)
    assert str(moves[-1]) not in before
    assert len(set(before)) == len(before)


def test_releases_are_marked():
    found = history.history([version(n) for n in (1, 2, 3, 4)], alias(4, "before: 2, 1"))
    assert [(one.version, one.live, one.previous, one.served) for one in found.releases] == [
        ("1", False, False, True),
        ("2", False, True, True),
        ("3", False, False, False),
        ("4", True, False, True),
    ]


def test_a_release_before_that_was_deleted_is_passed_over():
    found = history.history([version(1), version(4)], alias(4, "before: 3, 2, 1"))
    assert found.previous.version == "1"


def test_nothing_before_the_first():
    assert history.history([version(1)], alias(1)).previous is None


SHA = "3f2a9c1d0b2e"


@pytest.mark.parametrize(
    ("reference", "sha", "expected"),
    [
        ("2", None, "2"),
        ("v2", None, "2"),
        (SHA, None, "3"),  # the newest of two
        (SHA[:7], None, "3"),
        (SHA + "0" * 28, None, "3"),
        ("release-1", "aaaaaaaaaaaa" + "0" * 28, "1"),
        ("v2", "aaaaaaaaaaaa" + "0" * 28, "1"),  # a tag, and not the version 2
    ],
)
def test_a_release_is_found(reference, sha, expected):
    versions = [version(1, "a" * 12), version(2, SHA), version(3, SHA)]
    assert history.history(versions, alias(3)).find(reference, sha).version == expected


@pytest.mark.parametrize("reference", ["9", "3f2a9", "abcdef1", "no-such-tag", "", "-", "$LATEST"])
def test_a_release_that_is_not_there(reference):
    with pytest.raises(NotDeployed, match="there is no release"):
        history.history([version(1, SHA), version(2)], alias(2)).find(reference, None)


def test_a_tag_that_was_not_released_is_no_version():
    with pytest.raises(NotDeployed, match="there is no release v2"):
        history.history([version(1), version(2)], alias(2)).find("v2", "b" * 40)


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=400)


@given(
    st.from_regex(r"([0-9a-f]{40})?", fullmatch=True),
    st.booleans(),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters=":"), max_size=60).map(str.strip),
    texts,
)
def test_a_description_tells_the_commit(sha, changed, author, message):
    line = Commit(sha, changed, author, message).line(AT)
    assert len(line) <= LENGTH
    found, at = commit.read(line)
    assert (found.sha, found.changed, found.author.strip(), at) == (sha[:12], changed, author.strip(), AT)
    assert message.lstrip(" ").startswith(found.message.lstrip(" ").removesuffix("…"))


@given(texts)
def test_any_description_can_be_read(text):
    commit.read(text)


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=Ann Lee", "-c", "user.email=ann@example.com", *arguments], cwd=folder, check=True,
        capture_output=True,
    )  # fmt: skip


def test_the_commit_of_a_folder(tmp_path):
    assert commit.current(str(tmp_path)).sha == ""
    git(tmp_path, "init", "-q")
    (tmp_path / "app.py").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Fix:  the cart\n\nAt length.")
    git(tmp_path, "tag", "v1.2")
    found = commit.current(str(tmp_path))
    assert (found.author, found.message, found.changed) == ("Ann Lee", "Fix: the cart", False)
    assert commit.resolve(str(tmp_path), "v1.2") == found.sha
    assert commit.resolve(str(tmp_path), "--all") is None
    assert commit.resolve(str(tmp_path), "v9") is None
    (tmp_path / "app.py").write_text("two")
    assert commit.current(str(tmp_path)).changed


SIGNER = """\
#!/bin/sh
case "$*" in
*--verify*) echo "gpg: Good signature" >&2; echo "[GNUPG:] GOODSIG A B" ;;
*) cat > /dev/null; echo "[GNUPG:] SIG_CREATED " >&2
   printf -- "-----BEGIN PGP SIGNATURE-----\\n\\nx\\n-----END PGP SIGNATURE-----\\n" ;;
esac
"""


def test_a_signed_commit_where_git_shows_signatures(tmp_path):
    git(tmp_path, "init", "-q")
    signer = tmp_path / "signer"
    signer.write_text(SIGNER)
    signer.chmod(0o755)
    git(tmp_path, "config", "gpg.program", str(signer))
    git(tmp_path, "config", "log.showSignature", "true")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-Skey", "-m", "One")
    assert re.fullmatch("[0-9a-f]{40}", commit.current(str(tmp_path)).sha)
