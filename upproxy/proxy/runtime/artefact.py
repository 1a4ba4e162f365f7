"""What was built: where the manifest, the launchers and the app's packages are. Imports little, being first."""

from __future__ import annotations

import posix

from upproxy.proxy.manifest import load
from upproxy.proxy.upstream.spawn import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from upproxy.proxy.manifest import Manifest
    from upproxy.proxy.upstream.spawn import Child

ROOT = __file__.rpartition("/upproxy/proxy/")[0]  # the folder that holds the package; `.upproxy` in an artefact


def variable(name: str) -> str:
    """Return a variable of the environment, empty where it is not set."""
    return posix.environ.get(name.encode(), b"").decode("utf-8", "surrogateescape")


def packages() -> str:
    """Return the folder of the app's dependencies, empty where there is none."""
    folder = f"{ROOT}/packages"
    return folder if posix.access(folder, posix.X_OK) else ""


def prepare() -> tuple[Manifest, Callable[[int], Child] | None]:
    """Go to the app's folder; return the manifest, and a function that starts the app for the nth time.

    There is no such function where the manifest has no app, but files alone.

    Raises ManifestError, and OSError where the folder is not there.
    """
    if task_root := variable("LAMBDA_TASK_ROOT"):
        posix.chdir(task_root)
    manifest = load(variable("UPPROXY_MANIFEST") or f"{ROOT}/manifest.json")
    upstream = manifest.upstream
    if upstream is None:
        return manifest, None
    folder = packages()

    def start(restarts: int) -> Child:
        return spawn(
            upstream,
            stage=manifest.stage,
            restarts=restarts,
            launchers=f"{ROOT}/upproxy/launchers",
            packages=folder,
        )

    return manifest, start
