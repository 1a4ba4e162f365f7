"""Compiles Python files to bytecode: run by the interpreter whose bytecode is wanted, imported by nobody.

Numbers are 4 bytes, little end first. On stdin come groups of files: how many, and for each the lengths of its name and
of its source, the name and the source. On stdout goes an answer for each file, in order: `c` or `e`, a length, and the
bytecode file or the error.

Each group is compiled in a fork of a process that has compiled nothing: what marshal writes depends on which strings
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
    read = sys.stdin.buffer.read
    while head := read(4):
        group = []
        for _ in range(number(head)):
            lengths = read(8)
            group.append((read(number(lengths[:4])), read(number(lengths[4:]))))
        if not forked(group):  # one of them crashes the compiler
            for file in group:
                if not forked([file]):
                    answer([(b"e", b"the compiler crashed")])


def number(data: bytes) -> int:
    """Read a number."""
    return int.from_bytes(data, "little")


def forked(group: list[tuple[bytes, bytes]]) -> bool:
    """Answer a group from a process of its own; whether that went well. If not, nothing was answered."""
    pid = os.fork()
    if not pid:
        answer([compiled(name, source) for name, source in group])
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def compiled(name: bytes, source: bytes) -> tuple[bytes, bytes]:
    """Return the kind of the answer for a file, and its content."""
    try:
        code = compile(source, name.decode(), "exec", dont_inherit=True, optimize=0)
        return b"c", MAGIC_NUMBER + UNCHECKED + source_hash(source) + marshal.dumps(code)
    except SyntaxError as error:
        return b"e", f"line {error.lineno}: {error.msg}".encode()
    except Exception as error:  # noqa: BLE001  # such as a NUL or too many parentheses; the file is told
        return b"e", f"{type(error).__name__}: {error}".encode()


def answer(answers: list[tuple[bytes, bytes]]) -> None:
    """Write answers."""
    data = memoryview(b"".join(kind + len(content).to_bytes(4, "little") + content for kind, content in answers))
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
