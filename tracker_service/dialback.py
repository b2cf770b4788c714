"""Proves the addresses that peers register, by dialling them back."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

import grpc
import structlog

from tracker_service.catalog import Catalog
from tracker_service.registration import Dial
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc as pb_grpc
from videoteca_core.addresses import IpAddress
from videoteca_core.identity import CHALLENGE_BYTES, proof
from videoteca_core.rpc.channel import asyncio_channel
from videoteca_core.rpc.wire import endpoint_to_wire

DEADLINE_SECONDS: Final = 5.0
MAX_AT_ONCE: Final = 32
MAX_WAITING: Final = 1_000
DIALS_A_SECOND: Final = 20
"""For each address from which registrations come."""
MAX_DELAY_SECONDS: Final = 10.0

_log: Final = structlog.get_logger()


class Pace:
    """Spreads what each caller causes over time.

    Args:
        a_second: how many for each caller.
        max_delay_seconds: how long one may be put off before it is refused.
        clock: seconds, steady.
    """

    def __init__(
        self, a_second: float, max_delay_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._interval = 1 / a_second
        self._max_delay = max_delay_seconds
        self._clock = clock
        self._free_at: dict[IpAddress, float] = {}

    def delay(self, caller: IpAddress) -> float | None:
        """Seconds until this caller's turn, which is taken; none when it is refused."""
        now = self._clock()
        free_at = max(now, self._free_at.get(caller, now))
        if free_at - now > self._max_delay:
            return None
        self._free_at[caller] = free_at + self._interval
        if len(self._free_at) > MAX_WAITING:
            self._free_at = {who: at for who, at in self._free_at.items() if at > now}
        return free_at - now


class DialBack:
    """Dials peers and has the catalogue record who answered as the peer that registered.

    What is refused here stays pending in the catalogue, and comes again with the next renewal.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._pace = Pace(DIALS_A_SECOND, MAX_DELAY_SECONDS, time.monotonic)
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._running: dict[Dial, asyncio.Task[None]] = {}

    def start(self, dial: Dial, caller: IpAddress) -> None:
        """Dial in the background, unless that is under way or there is too much to do."""
        if dial in self._running or len(self._running) >= MAX_WAITING:
            return
        delay = self._pace.delay(caller)
        if delay is None:
            _log.warning("too many dials", peer=dial.name, caller=str(caller))
            return
        task = asyncio.create_task(self._prove(dial, delay))
        self._running[dial] = task
        task.add_done_callback(lambda _: self._running.pop(dial))

    async def stop(self) -> None:
        """Give up what is under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _prove(self, dial: Dial, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        try:
            async with self._at_once:
                problem = await _problem(dial)
            if await self._catalog.record_dial_result(dial, proved=problem is None):
                found = "proved" if problem is None else problem
                _log.info("dialled back", peer=dial.name, address=str(dial.endpoint), found=found)
        except Exception:  # noqa: BLE001 - nobody awaits this task: the log is its caller
            _log.exception("failed", peer=dial.name, address=str(dial.endpoint))


async def _problem(dial: Dial) -> str | None:
    """Why an address is not proved; none when it is."""
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    request = pb.IdentifyRequest(
        challenge=challenge, name=dial.name, endpoint=endpoint_to_wire(dial.endpoint)
    )
    async with asyncio_channel(dial.endpoint) as channel:
        try:
            answer = await pb_grpc.PeerStub(channel).Identify(request, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.details() or error.code().name
    expected = proof(dial.instance_key, challenge, dial.name, dial.endpoint)
    return None if hmac.compare_digest(answer.proof, expected) else "wrong proof"
