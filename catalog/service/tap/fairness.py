"""Who may run a query next: clients take turns, none takes every place, and long answers leave places to short ones."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from catalog.service.tap.errors import ServiceError

__all__ = ["Places", "Seat"]

# After so many blocks of rows an answer is long.
_SHORT_BLOCKS = 2


class Places:
    """Places for queries that run at once; for use in one event loop.

    Every query begins at a place. An answer that turns out to be long goes on at one of half of the places, or at a
    single one while others wait to begin; it goes on a block at a time, in turn with all that are long. Between its
    turns it stands aside and has no place. So whatever number of long answers is on its way, the other places serve
    those who come.

    Parameters
    ----------
    n_places : int
    max_waiting : int, optional
        Queries of one client that may wait.
    max_aside : int
        Answers that may stand aside at once; each holds a thread, a connection and some blocks. When there are as many,
        others keep their places.
    """

    def __init__(self, n_places: int, max_waiting: int | None = None, max_aside: int = 0) -> None:
        self._free = n_places
        self._most_long = max(1, n_places // 2)
        self._n_long = 0
        self._free_aside = max_aside
        # One place is always left for somebody else. Who stands aside counts as well.
        self._per_client = max(1, n_places - 1)
        self._max_waiting = max_waiting
        self._begun: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._returning: deque[tuple[Seat, asyncio.Future[None]]] = deque()
        # Of each client that waits, the latest: when it came, last began a query, or ended one.
        self._since: dict[str, int] = {}
        self._clock = 0

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator["Seat"]:
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
        if client not in self._waiting:
            self._waiting[client] = deque()
            self._since[client] = self._tick()
        self._waiting[client].append(turn)
        self._fill()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._end(client)
            else:
                self._forget(client, turn)
            raise
        seat = Seat(self)
        try:
            yield seat
        finally:
            seat.close()
            if seat.aside:
                self._free_aside += 1
            else:
                self._give_back(seat)
            seat.gone = True
            self._end(client)

    def stand_aside(self, seat: "Seat") -> bool:
        """Give the place of `seat` to others; False when too many stand aside already."""
        if seat.aside or seat.gone:
            return seat.aside
        # One that makes way for another that comes back takes its room.
        changed = seat.long and self._returning and (self._n_long == 1 or not self._somebody_waits())
        if not (self._free_aside or changed):
            return False
        self._free_aside -= 1
        self._give_back(seat)
        seat.aside = True
        self._fill()
        return True

    def go_on(self, seat: "Seat") -> asyncio.Future[None]:
        """Return what is done when `seat`, which stands aside, has a place again."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._returning.append((seat, turn))
        self._fill()
        return turn

    def give_up(self, seat: "Seat") -> None:
        """Let `seat` wait no longer for a place."""
        for each in [each for each in self._returning if each[0] is seat]:
            self._returning.remove(each)
            each[1].set_result(None)

    def must_yield(self, seat: "Seat") -> bool:
        """Tell whether a long answer must let others go on first; if not, it has its place as a long one."""
        if self._returning:
            return True
        if seat.long:
            return self._n_long > 1 and self._somebody_waits()
        if not self._room_for_long():
            return True
        self._n_long += 1
        seat.long = True
        return False

    def _room_for_long(self) -> bool:
        return self._n_long < (1 if self._somebody_waits() else self._most_long)

    def _somebody_waits(self) -> bool:
        return any(self._begun[each] < self._per_client for each in self._waiting)

    def _give_back(self, seat: "Seat") -> None:
        self._free += 1
        self._n_long -= seat.long
        seat.long = False

    def _forget(self, client: str, turn: asyncio.Future[None]) -> None:
        self._waiting[client].remove(turn)
        self._close_queue(client)

    def _end(self, client: str) -> None:
        self._begun[client] -= 1
        if not self._begun[client]:
            del self._begun[client]
        if client in self._since:
            # Who came while its query ran goes first.
            self._since[client] = self._tick()
        self._fill()

    def _fill(self) -> None:
        """Give free places to those who wait: first to long answers, as far as they may have them."""
        while self._free:
            if self._returning and self._room_for_long():
                seat, turn = self._returning.popleft()
                self._free -= 1
                self._n_long += 1
                self._free_aside += 1
                seat.long, seat.aside = True, False
                turn.set_result(None)
            elif not self._begin_next():
                return

    def _begin_next(self) -> bool:
        waiting = [each for each in self._waiting if self._begun[each] < self._per_client]
        if not waiting:
            return False
        # Who has waited longest since it came, or since its last turn: one that asks again and again overtakes nobody.
        client = min(waiting, key=self._since.__getitem__)
        turn = self._waiting[client].popleft()
        self._since[client] = self._tick()
        self._close_queue(client)
        self._free -= 1
        self._begun[client] += 1
        turn.set_result(None)
        return True

    def _close_queue(self, client: str) -> None:
        if not self._waiting[client]:
            del self._waiting[client], self._since[client]

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


class Seat:
    """The place of one query, which its answer leaves while it cannot use it, and when it is long and others wait."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._n_blocks = 0
        self._closed = False
        self._waited, self._since = 0.0, 0.0
        self.long = False
        self.aside = False
        self.gone = False

    @property
    def waited(self) -> float:
        """Seconds for which others had its turn."""
        return self._waited + (asyncio.get_running_loop().time() - self._since if self._since else 0.0)

    async def rest(self) -> None:
        """Between two blocks of rows: let others go on, if it is their turn."""
        self._n_blocks += 1
        if self._n_blocks < _SHORT_BLOCKS or self._closed:
            return
        if self._places.must_yield(self) and self._places.stand_aside(self):
            await self._come_back()

    @asynccontextmanager
    async def standing_aside(self) -> AsyncIterator[None]:
        """Leave the place to others while the reader is slow."""
        if self._closed or not self._places.stand_aside(self):
            yield
            return
        yield
        await self._come_back()

    def done(self) -> None:
        """Leave the place for good: the query has ended, and what is left of its answer only waits to be read."""
        self.close()
        self._places.stand_aside(self)

    def close(self) -> None:
        """Wait no longer for anything."""
        self._closed = True
        self._places.give_up(self)

    async def _come_back(self) -> None:
        if self._closed:
            return
        self._since = asyncio.get_running_loop().time()
        try:
            await self._places.go_on(self)
        finally:
            self._waited, self._since = self.waited, 0.0
