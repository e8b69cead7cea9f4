"""The surface of sockets: sequences of messages, most of them malformed, and an ending at any point.

Afterwards every counter must be zero, no answer may be an error of the server, and a client without a token must not
have received a view that is not public.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from tests.attack.surface import Judge
from tests.unit.modes.websocket.test_endings import EVENTS, NAMESPACES, TOKENS, Wire, emptied, held, serving

NONSENSE = (
    "",
    "zzz",
    "3",
    "1",
    "45999-",
    "42[{}]",
    '42/boards,["subscribe"',
    '42/boards,["subscribe",NaN]',
    '42/boards,["subscribe",{"id":"a","id":"b"}]',
    '42/boards,["mutate",{"id":"blue","values":' + '{"a":' * 30 + "1" + "}" * 30 + "}]",
    '42/boards,["' + "x" * 70_000 + '"]',
    '40/boards,{"token":"' + "x" * 20_000 + '"}',
    "40/nothing,",
    "40/cards,[]",
)
ENDINGS = ("hang up", "break", "cancel")


class Said(NamedTuple):
    """The messages of a socket, each with the turns of the event loop that follow it, and how the socket ends."""

    texts: tuple[tuple[str, int], ...]
    ending: str


def inputs(random: Random) -> Iterator[Said]:
    while True:
        texts = [(_text(random), random.choice((0, 0, 1, 3, 8))) for _ in range(random.randint(1, 10))]
        yield Said(tuple(texts), random.choice(ENDINGS))


def _text(random: Random) -> str:
    namespace = random.choice(NAMESPACES)
    match random.randrange(8):
        case 0 | 1 | 2:
            return f"40{namespace},{json.dumps(random.choice(TOKENS))}"
        case 3:
            return random.choice((f"41{namespace},", *NONSENSE))
        case _:
            return f"42{namespace},{random.randint(0, 9)}{json.dumps(random.choice(EVENTS)(random))}"


@contextmanager
def judge() -> Iterator[Judge]:
    with asyncio.Runner() as runner:
        stage = serving(ping_timeout=0.2)
        sockets, testing = runner.run(stage.__aenter__())

        async def judged(said: Said) -> str | None:
            wire = Wire(sockets)
            for text, turns in said.texts:
                wire.say(text)
                for _ in range(turns):
                    await asyncio.sleep(0)
            wire.is_broken = said.ending == "break"
            wire.hang_up()
            if said.ending == "cancel":
                wire.serving.cancel()
            await asyncio.wait([wire.serving], timeout=10)
            if left := await emptied(sockets, testing, held):
                return f"{left} are left"
            told = " ".join(wire.told())
            if '"code":500' in told:
                return f"the server failed: {told}"
            is_known = any(text.startswith("40") and '"ada' in text for text, _ in said.texts)
            is_leaked = not is_known and any(f"42{name}," in told for name in NAMESPACES if name != "/boards")
            return f"a client without a token received {told}" if is_leaked else None

        try:
            yield lambda said: runner.run(judged(said))
        finally:
            runner.run(stage.__aexit__(None, None, None))
