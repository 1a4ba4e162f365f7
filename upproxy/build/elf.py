"""The machine that compiled code is for, by the header of ELF files."""

from __future__ import annotations

MAGIC = b"\x7fELF"
_MACHINES = {0x3E: "x86_64", 0xB7: "arm64", 0x03: "i386", 0x28: "arm", 0xF3: "riscv64"}  # e_machine, by Lambda's names


def machine(head: bytes) -> str | None:
    """Return the processor of an ELF file, by its first 20 bytes; None for other files."""
    if not head.startswith(MAGIC) or len(head) < 20:
        return None
    number = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    return _MACHINES.get(number, f"machine {number:#x}")
