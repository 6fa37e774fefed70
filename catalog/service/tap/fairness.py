"""Who may run a query next: clients take turns, and none takes every place."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from catalog.service.tap.errors import ServiceError

__all__ = ["Places"]


class Places:
    """Places for queries that run at once; for use in one event loop.

    Parameters
    ----------
    n_places : int
    max_waiting : int, optional
        Queries of one client that may wait.
    """

    def __init__(self, n_places: int, max_waiting: int | None = None) -> None:
        self._free = n_places
        # One place is always left for somebody else.
        self._per_client = max(1, n_places - 1)
        self._max_waiting = max_waiting
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns: dict[str, int] = {}
        self._n_turns = 0

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Wait for a place of `client`, and hold it.

        Raises
        ------
        ServiceError
            Too many queries of this client wait already.
        """
        queue = self._waiting.get(client, deque())
        if self._max_waiting is not None and len(queue) >= self._max_waiting:
            raise ServiceError(
                f"{len(queue)} queries from your address wait already.", "Try again when some have ended.", 429
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(client)
            else:
                self._forget(client, turn)
            raise
        try:
            yield
        finally:
            self._leave(client)

    def _forget(self, client: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting[client]
        queue.remove(turn)
        if not queue:
            del self._waiting[client]

    def _leave(self, client: str) -> None:
        self._free += 1
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
            if client not in self._waiting:
                self._turns.pop(client, None)
        self._next()

    def _next(self) -> None:
        while self._free:
            waiting = [each for each in self._waiting if self._running[each] < self._per_client]
            if not waiting:
                return
            # Who has never had a turn comes first, then whose last turn is longest ago.
            client = min(waiting, key=lambda each: self._turns.get(each, 0))
            queue = self._waiting[client]
            turn = queue.popleft()
            if not queue:
                del self._waiting[client]
            self._n_turns += 1
            self._turns[client] = self._n_turns
            self._free -= 1
            self._running[client] += 1
            turn.set_result(None)
