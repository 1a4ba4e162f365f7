"""Several things at once.

By threads that an interrupted command does not wait for: a deploy may be ended anywhere, also while AWS is silent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Do tasks at once, and return what each returned. The first failure is raised when all have ended."""
    outcomes = _outcomes(tasks)
    for _, error in outcomes:
        if error is not None:
            raise error
    return [result for result, _ in outcomes]


def in_all(regions: Iterable[str], task: Callable[[str], T]) -> dict[str, T]:
    """Do a task in all regions at once, and return what each returned.

    Where it fails, the first failure is raised when all have ended, and tells of the others too.
    """
    names = list(regions)
    if len(names) == 1:
        return {names[0]: task(names[0])}
    outcomes = dict(zip(names, _outcomes([partial(task, region) for region in names]), strict=True))
    failed = {region: error for region, (_, error) in outcomes.items() if error is not None}
    for error in failed.values():
        error.args = ("; ".join(f"{region}: {one}" for region, one in failed.items()), *error.args[1:])
        raise error
    return {region: result for region, (result, _) in outcomes.items()}


def _outcomes(tasks: Sequence[Callable[[], Any]]) -> list[tuple[Any, BaseException | None]]:
    """Do tasks at once, and return the result or the failure of each."""
    outcomes: list[tuple[Any, BaseException | None]] = [(None, None)] * len(tasks)

    def run(number: int) -> None:
        try:
            outcomes[number] = (tasks[number](), None)
        except BaseException as error:  # noqa: BLE001  # raised by whoever waits
            outcomes[number] = (None, error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
