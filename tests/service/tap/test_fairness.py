"""Places for queries: long answers and slow readers leave them to others, and every place comes back."""

import asyncio
import socket
from contextlib import ExitStack

import pytest

from catalog.service.tap.fairness import Places
from tests.service.tap.conftest import wait_for

EXPORT = "SELECT a.*, b.* FROM rvs_cnn a, rvs_cnn b"


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


class Held:
    """Queries that hold places until they are told to end, resting as often as they can."""

    def __init__(self, places):
        self.places, self.end = places, asyncio.Event()
        self.begun, self.blocks, self.tasks = [], {}, []

    def ask(self, client, long=True, reads=True):
        self.tasks.append(asyncio.create_task(self._query(client, len(self.tasks), long, reads)))

    async def _query(self, client, number, long, reads):
        async with self.places.place(client) as seat:
            self.begun.append(client)
            self.blocks[number] = 0
            while long and not self.end.is_set():
                await seat.rest()
                self.blocks[number] += 1
                if not reads:
                    async with seat.standing_aside():
                        await self.end.wait()
                await asyncio.sleep(0)
            seat.done()

    async def ends(self):
        self.end.set()
        await asyncio.gather(*self.tasks)


async def free_places(places, n):
    """Tell whether `n` short queries of different clients can be begun at once, and no more."""
    end = asyncio.Event()
    begun = []

    async def ask(i):
        async with places.place(f"free {i}"):
            begun.append(i)
            await end.wait()

    tasks = [asyncio.create_task(ask(i)) for i in range(n + 2)]
    await settle()
    found = len(begun)
    end.set()
    await asyncio.gather(*tasks)
    return found == n


def test_who_asks_again_at_once_overtakes_nobody():
    async def scene():
        places = Places(2)
        ended = asyncio.Event()
        begun = []

        async def ask_again_and_again(client):
            while not ended.is_set():
                async with places.place(client):
                    await asyncio.sleep(0)

        async def ask(client):
            async with places.place(client):
                begun.append(client)
                await asyncio.sleep(0)

        busy = [asyncio.create_task(ask_again_and_again(f"cone {i}")) for i in range(8)]
        await settle()
        several = [asyncio.create_task(ask("exports")) for _ in range(3)]
        for _ in range(5):
            await settle()
        assert begun == ["exports"] * 3
        ended.set()
        await asyncio.gather(*busy, *several)
        assert await free_places(places, 2)

    asyncio.run(scene())


@pytest.mark.parametrize("reads", [True, False])
def test_long_answers_leave_places_to_others(reads):
    async def scene():
        places = Places(4, max_aside=12)
        held = Held(places)
        for i in range(12):
            held.ask(f"greedy {i % 4}", reads=reads)
        await settle()
        assert len(held.begun) == 12
        held.ask("cone", long=False)
        await settle()
        assert held.begun[-1] == "cone"
        # They go on in turn: none is left behind.
        if reads:
            before = dict(held.blocks)
            await settle()
            await settle()
            assert all(held.blocks[i] > before[i] for i in range(12))
        await held.ends()
        assert await free_places(places, 4)

    asyncio.run(scene())


def test_so_many_may_stand_aside():
    async def scene():
        places = Places(4, max_aside=3)
        held = Held(places)
        for i in range(12):
            held.ask(f"greedy {i}", reads=False)
        await settle()
        assert len(held.begun) == 4 + 3
        await held.ends()
        assert await free_places(places, 4)

    asyncio.run(scene())


@pytest.mark.parametrize("n_places", [1, 2, 3])
def test_few_places(n_places):
    async def scene():
        places = Places(n_places, max_aside=2)
        held = Held(places)
        for i in range(4):
            held.ask(f"greedy {i}")
        await settle()
        before = dict(held.blocks)
        await settle()
        assert all(held.blocks[i] > before[i] for i in before)
        await held.ends()
        assert await free_places(places, n_places)

    asyncio.run(scene())


def test_who_waits_for_a_turn_can_be_stopped():
    async def scene():
        places = Places(2, max_aside=4)
        seats = []
        release = asyncio.Event()

        async def ask(client):
            async with places.place(client) as seat:
                seats.append(seat)
                for _ in range(3):
                    await seat.rest()
                await release.wait()

        tasks = [asyncio.create_task(ask(f"{i}")) for i in range(3)]
        await settle()
        aside = [seat for seat in seats if seat.aside]
        assert len(aside) == 2
        for seat in aside:
            seat.close()
        await settle()
        assert all(seat.waited >= 0 for seat in seats)
        release.set()
        await asyncio.gather(*tasks)
        for seat in seats:
            seat.done()
        assert await free_places(places, 2)

    asyncio.run(scene())


def open_export(service, client):
    """Ask for much, and read no more than the beginning."""
    host, port = service.url.removeprefix("http://").split(":")
    raw = socket.create_connection((host, int(port)), timeout=60)
    query = f"/tap/sync?LANG=ADQL&RESPONSEFORMAT=csv&QUERY={EXPORT.replace(' ', '+')}"
    raw.sendall(f"GET {query} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {client}\r\n\r\n".encode())
    return raw


def open_answers(service):
    return service.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'rvscat serve' AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
    )[0][0]


def test_greedy_clients_that_read_slowly_hold_up_nobody(serve):
    with serve("answers_aside = 12\n") as service:
        with ExitStack() as stack:
            greedy = [stack.enter_context(open_export(service, f"10.2.0.{i % 4}")) for i in range(12)]
            for raw in greedy:
                assert raw.recv(12) == b"HTTP/1.1 200"
            # They wait for their readers, and longer than this test takes.
            cone = service.sync("SELECT TOP 5 source_id FROM rvs_cnn_extended", "10.2.1.1", RESPONSEFORMAT="csv")
            assert (cone.status_code, cone.text.count("\n")) == (200, 6)
            other = service.sync(EXPORT, "10.2.1.2", RESPONSEFORMAT="csv", MAXREC=30_000)
            assert (other.status_code, other.text.count("\n")) == (200, 30_001)
            assert open_answers(service) >= 12
        assert wait_for(lambda: open_answers(service) == 0)
        assert service.sync("SELECT COUNT(*) AS n FROM rvs_cnn", "10.2.0.1").status_code == 200


def test_an_answer_that_waited_is_whole(serve):
    with serve("sync_queries = 1\n") as service:
        whole = service.sync(EXPORT, "10.3.0.1", RESPONSEFORMAT="csv", MAXREC=30_000)
        assert whole.text.count("\n") == 30_001
        with open_export(service, "10.3.0.2") as raw:
            assert raw.recv(12) == b"HTTP/1.1 200"
            again = service.sync(EXPORT, "10.3.0.1", RESPONSEFORMAT="csv", MAXREC=30_000)
        assert again.text == whole.text
