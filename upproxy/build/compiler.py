"""Compiles Python files to bytecode: run by the interpreter whose bytecode is wanted, imported by nobody.

On stdin come files, each as the lengths of its name and of its source (4 bytes, little end first), the name and the
source. On stdout goes an answer for each, in order: `c` or `e`, a length, and the bytecode file or the error.

Each file is compiled in a fork of a process that has compiled nothing: what marshal writes depends on which strings
are already interned, and so on what was compiled before.
"""

from __future__ import annotations

import marshal
import os
import sys
import warnings
from importlib.util import MAGIC_NUMBER, source_hash

UNCHECKED = (1).to_bytes(4, "little")  # by hash, which is not compared on import (PEP 552)


def main() -> None:
    """Answer what comes on stdin."""
    warnings.simplefilter("ignore")  # what a file is warned of is not the builder's affair
    while head := sys.stdin.buffer.read(8):
        name = sys.stdin.buffer.read(int.from_bytes(head[:4], "little"))
        source = sys.stdin.buffer.read(int.from_bytes(head[4:], "little"))
        pid = os.fork()
        if not pid:
            answer(*compiled(name, source))
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            answer(b"e", b"the compiler crashed")


def compiled(name: bytes, source: bytes) -> tuple[bytes, bytes]:
    """Return the kind of the answer for a file, and its content."""
    try:
        code = compile(source, name.decode(), "exec", dont_inherit=True, optimize=0)
        return b"c", MAGIC_NUMBER + UNCHECKED + source_hash(source) + marshal.dumps(code)
    except SyntaxError as error:
        return b"e", f"line {error.lineno}: {error.msg}".encode()
    except Exception as error:  # noqa: BLE001  # such as a NUL or too many parentheses; the file is told
        return b"e", f"{type(error).__name__}: {error}".encode()


def answer(kind: bytes, content: bytes) -> None:
    """Write an answer."""
    data = memoryview(kind + len(content).to_bytes(4, "little") + content)
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
