"""What the global options say, wherever on the command line they stood."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING

import click

from videoteca_core.errors import VideotecaError

if TYPE_CHECKING:
    from peer_service.home import Home
    from peer_service.identity import Identity
    from videoteca_core.addresses import Endpoint


@dataclass
class Settings:
    """The global options.

    Attributes:
        home_option: the folder that was given; none for the platform's own.
        tracker_option: the tracker that was given, as it was typed.
        as_json: whether a program reads what is printed.
        report: tells of an error at once, for commands that go on after it.
    """

    home_option: Path | None = None
    tracker_option: str = ""
    as_json: bool = False
    report: Callable[[VideotecaError], object] = field(default=print, repr=False)

    @property
    def home_path(self) -> Path:
        """The home, which need not exist yet."""
        if self.home_option:
            return self.home_option.expanduser()
        from platformdirs import user_data_path  # noqa: PLC0415 - only who needs it waits for it

        return user_data_path("videoteca", appauthor=False)

    @cached_property
    def home(self) -> "Home":
        """The home, made when it is missing.

        Raises:
            FolderUnusable: it can't be made or written.
        """
        from peer_service.home import Home  # noqa: PLC0415 - help has no need of it

        return Home(self.home_path)

    @cached_property
    def identity(self) -> "Identity | None":
        """Who this home's peer is at its tracker; none before its first registration.

        Raises:
            VideotecaError: the home or its database can't be used.
        """
        from peer_service.database import PeerDatabase  # noqa: PLC0415 - as above
        from peer_service.identity import IdentityStore  # noqa: PLC0415

        if not self.home.database_path.exists():
            return None
        with PeerDatabase(self.home.database_path) as database:
            return IdentityStore(database).load()

    @property
    def tracker(self) -> "Endpoint":
        """The tracker: the one that was given, or the one where this home is registered.

        Raises:
            click.UsageError: neither is there.
            InvalidAddress: what was given is no address.
        """
        from videoteca_core.addresses import (  # noqa: PLC0415 - as above
            TRACKER_PORT,
            Endpoint,
        )

        known = self.tracker_option or (self.identity.tracker if self.identity else "")
        if not known:
            raise click.UsageError(
                _(
                    "Which tracker? Give its address once with --tracker HOST[:PORT], "
                    "or set VIDEOTECA_TRACKER."
                )
            )
        return Endpoint.resolve(known, TRACKER_PORT)
