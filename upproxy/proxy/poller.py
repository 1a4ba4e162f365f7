"""What watches descriptors: epoll, or kqueue behind the same calls where there is no epoll (macOS, for `start`).

Both tell of edges: an event comes once for what is new, and not again until something changes.
"""

from __future__ import annotations

import select as _select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

select: Any = _select  # half of what is used here is there on each platform

if hasattr(select, "epoll"):
    READ = select.EPOLLIN
    WRITE = select.EPOLLOUT
    OVER = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    READ_EDGES = READ | select.EPOLLRDHUP | select.EPOLLET
    EDGES = READ_EDGES | WRITE
    ENDED = select.POLLIN | select.POLLRDHUP  # for select.poll: something to read, or the end
    Poller = select.epoll
else:
    READ, WRITE, OVER, READ_EDGES, EDGES = 1, 4, 16, 0, 0
    ENDED = select.POLLIN

    class Poller:  # type: ignore[no-redef]
        """epoll's calls over kqueue."""

        def __init__(self) -> None:
            self._queue = select.kqueue()

        def register(self, fd: int, _edges: int) -> None:
            """Watch a descriptor for reading and, where it can be, for writing."""
            for kind in (select.KQ_FILTER_READ, select.KQ_FILTER_WRITE):
                self._control(fd, kind, select.KQ_EV_ADD | select.KQ_EV_CLEAR)

        def unregister(self, fd: int) -> None:
            """Stop watching it."""
            for kind in (select.KQ_FILTER_READ, select.KQ_FILTER_WRITE):
                self._control(fd, kind, select.KQ_EV_DELETE)

        def _control(self, fd: int, kind: int, flags: int) -> None:
            try:
                self._queue.control([select.kevent(fd, kind, flags)], 0)
            except OSError:  # one end of a pipe has only one direction
                pass

        def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
            """Return descriptors with what happened to them. `timeout` is in seconds."""
            masks: dict[int, int] = {}
            for event in self._queue.control(None, 256, timeout):
                mask = READ if event.filter == select.KQ_FILTER_READ else WRITE
                if event.flags & (select.KQ_EV_EOF | select.KQ_EV_ERROR):
                    mask |= OVER
                masks[event.ident] = masks.get(event.ident, 0) | mask
            return list(masks.items())

        def close(self) -> None:
            """Close the queue."""
            self._queue.close()
