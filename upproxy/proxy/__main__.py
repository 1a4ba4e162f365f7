"""The runtime process: bootstrap, exec wrapper, image entrypoint.

`UPPROXY_MANIFEST=<file> python -m upproxy.proxy`, or this file as a script under `python -I -S`, which starts 10 ms
earlier. The manifest is by default the one beside the folder that holds the package.
"""

from __future__ import annotations

import sys
from time import monotonic


def main() -> int:
    """Start the app first, then load the rest of the proxy while it starts; return the exit code."""
    started = monotonic()
    if not __package__:
        sys.path.insert(0, __file__.rpartition("/upproxy/proxy/")[0])
    from upproxy.proxy.lean import signal
    from upproxy.proxy.manifest import ManifestError
    from upproxy.proxy.runtime.artefact import prepare, variable
    from upproxy.proxy.upstream.spawn import SpawnError

    if not variable("AWS_LAMBDA_RUNTIME_API").rpartition(":")[2].isdigit():
        message = "AWS_LAMBDA_RUNTIME_API is not set to HOST:PORT. This is the process that runs inside Lambda; "
        sys.stderr.write(f"{message}on your own machine, `upproxy start` runs it for you.\n")
        return 2
    try:
        manifest, start = prepare()
        # Until it can be heard, a SIGTERM waits: it would end us and leave the app behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        child = None if start is None else start(0)
    except (ManifestError, SpawnError, OSError) as error:
        from upproxy.proxy.runtime.process import give_up

        return give_up(str(error))
    from upproxy.proxy.runtime.process import run

    return run(manifest, child, start, started)


if __name__ == "__main__":
    sys.exit(main())
