"""`juki batch worker`: this machine's share of a run that a Dask scheduler hands out."""

from __future__ import annotations

import click

from jukicard.commands.batch.workplace import Workplace, open_workplace
from jukicard.commands.options import home_option, storage_key_option
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.errors import IssuerError

CONNECT_SECONDS = 30


@click.command
@click.argument("scheduler")
@authority_password
@storage_key_option
@home_option
@pass_session
def worker(session: Session, scheduler: str, authority_password: Source) -> None:
    """Work for a Dask scheduler, until it ends: one process, one card at a time.

    The worker has its own access to the authority's keys: they never travel. It writes into the run's folder, which
    every machine must see under the same path. Records cross the network: use tls:// (Dask's own configuration)
    wherever others can listen.

    \b
    Examples:
      juki batch worker tcp://bureau:8786
      juki batch worker tls://bureau:8786 --home /shared/home --authority-password-file password
    """
    place = Workplace(session.home, session.storage_key(), authority_password.read())
    open_workplace(place)
    try:
        import asyncio

        from dask.config import set as set_config
        from distributed import Worker
    except ImportError:
        raise IssuerError("workers for a scheduler need the extra 'dask': install jukicard[dask]") from None

    async def work() -> None:
        set_config({"distributed.worker.http.routes": []})  # no pages about what it does, for anybody
        here = "127.0.0.1:0"
        async with Worker(
            scheduler, nthreads=1, death_timeout=CONNECT_SECONDS, dashboard=False, dashboard_address=here
        ) as joined:
            click.echo(f"Working for {scheduler}.", err=True)
            await joined.finished()

    try:
        asyncio.run(work())
    except (OSError, TimeoutError) as error:
        raise IssuerError(f"there is no scheduler at {scheduler}: {error}") from error
