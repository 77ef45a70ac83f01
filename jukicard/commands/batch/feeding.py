"""Readers that an operator puts one chip after the other into."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field

from jukicard.commands.session import Session
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import NoCard, TransportError
from jukicard.reader.spec import ReaderSpec

POLL_SECONDS = 0.2


@dataclass
class ReaderFeeder:
    """One reader. A card that is taken out and put in again counts as a new one."""

    session: Session
    spec: ReaderSpec
    _served: bool = field(default=False)

    @property
    def name(self) -> str:
        """See Feeder."""
        return str(self.spec)

    def wait(self, is_over: Callable[[], bool]) -> AbstractContextManager[CardConnection] | None:
        """See Feeder. TransportError where there is no such reader."""
        while not is_over():
            connection = self._connect()
            if connection is None:
                self._served = False
            elif not self._served:
                self._served = True
                return closing(connection)
            else:
                connection.close()
            time.sleep(POLL_SECONDS)
        return None

    def _connect(self) -> CardConnection | None:
        try:
            return self.session.connect(self.spec)
        except NoCard:
            return None
        except TransportError:
            if not self._served:
                raise
            return None
