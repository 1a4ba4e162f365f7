import asyncio

import pytest

from upproxy.local.reload import changes


@pytest.fixture
async def watch(tmp_path):
    """Begin to watch; return what waits for the next report."""
    stop = asyncio.Event()
    watching = changes(str(tmp_path), stop)
    first = asyncio.ensure_future(anext(watching))
    # The watcher begins in a thread of its own: knock until it hears.
    number = 0
    while not first.done():
        number += 1
        (tmp_path / "knock.txt").write_text(str(number))
        await asyncio.wait({first}, timeout=0.05)

    async def following():
        """The next report of anything but the knocking."""
        while True:
            if found := [path for path in await anext(watching) if path != "knock.txt"]:
                return found

    yield following
    stop.set()
    await watching.aclose()


async def test_a_change_is_told(watch, tmp_path):
    (tmp_path / "app.py").write_text("x = 1")
    assert await watch() == ["app.py"]
    (tmp_path / "shop").mkdir()
    assert "shop" in await watch()
    (tmp_path / "up.yml").write_text("name: x")
    assert await watch() == ["up.yml"]
    (tmp_path / "app.py").unlink()
    assert await watch() == ["app.py"]


async def test_what_is_no_source_is_not(watch, tmp_path):
    for name in (".git/HEAD", ".venv/lib/x.py", "venv/x.py", "node_modules/x.js", "__pycache__/app.pyc", ".cache/a"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("x")
    for name in ("db.sqlite3", "app.log", "app.pyc", ".app.py.swp", "app.py~"):
        (tmp_path / name).write_text("x")
    (tmp_path / "last.py").write_text("x")
    assert await watch() == ["last.py"]
