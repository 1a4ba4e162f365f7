"""The file that starts the proxy on Lambda."""

from __future__ import annotations

import os
import shlex

from upproxy.build.archive import Member
from upproxy.build.errors import BuildError
from upproxy.build.target import Target

VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"
_TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")

# An artefact lies in the function's folder.
_BESIDE = """\
: "${LAMBDA_TASK_ROOT:=${root%/*}}"
export LAMBDA_TASK_ROOT
"""

# A layer is unpacked to /opt, and what it serves lies in the function's own folder.
_IN_A_LAYER = """\
: "${UPPROXY_MANIFEST:=$LAMBDA_TASK_ROOT/upproxy.json}"
PYTHONPATH=$LAMBDA_TASK_ROOT:/opt/python:/opt/python/lib/@python@/site-packages\
${LAMBDA_RUNTIME_DIR:+:$LAMBDA_RUNTIME_DIR}${PYTHONPATH:+:$PYTHONPATH}
export UPPROXY_MANIFEST PYTHONPATH
"""


def bootstrap(target: Target, name: str, wrapper: str = "", *, layer: bool = False) -> Member:
    """Return the file.

    `wrapper` is the path of another exec wrapper, such as a layer's, which then gets the proxy to start. Raises
    BuildError where it cannot be one.
    """
    with open(_TEMPLATE, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("@places@", _IN_A_LAYER if layer else _BESIDE)
    text = text.replace("@python@", f"python{target.python}").replace("@wrapper@", _chain(wrapper))
    return Member(name, text.encode(), executable=True)


def _chain(wrapper: str) -> str:
    if not wrapper or wrapper.endswith("/.upproxy/bootstrap"):
        return ""
    if not wrapper.startswith("/") or "\0" in wrapper:
        raise BuildError(f"`environment.{VARIABLE}: {wrapper}` is no absolute path", "Such as /opt/otel-instrument.")
    path = shlex.quote(wrapper)
    return f'[ -x {path} ] && exec {path} "$@"\necho {shlex.quote(f"upproxy: {wrapper} is not there")} >&2\n'
