import pytest

from upproxy.local.reload import changes


@pytest.fixture
async def watch(tmp_path):
    """Begin to watch; return what waits for the next report."""
    watching = changes(str(tmp_path))
    assert await anext(watching) == []

    async def following():
        return await anext(watching)

    yield following
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


async def test_no_bytecode_outlives_its_source(watch, tmp_path):
    source = tmp_path / "[app].py"
    cached = [tmp_path / "__pycache__" / name for name in ("[app].cpython-311.pyc", "[app].cpython-313.opt-1.pyc")]
    other = tmp_path / "__pycache__" / "app.cpython-311.pyc"
    other.parent.mkdir()
    for path in (*cached, other):
        path.write_bytes(b"")
    source.write_text("x = 1")
    assert await watch() == ["[app].py"]
    assert [path.exists() for path in (*cached, other)] == [False, False, True]
