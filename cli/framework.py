"""Commands and groups of this program: lazily loaded, with aliases and the global options."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from gettext import gettext as _
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from cli.language import LANGUAGES, VARIABLE
from cli.settings import Settings

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True)
class Entry:
    """A command as it stands in its group's list.

    Attributes:
        alias: its Spanish name; may be the same.
        target: where it is, as MODULE:ATTRIBUTE of ``cli.commands``.
        summary: what it does, to be translated.
    """

    name: str
    alias: str
    target: str
    summary: str

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its alias, each once."""
        return tuple(dict.fromkeys((self.name, self.alias)))

    def load(self) -> click.Command:
        """Import the command."""
        module, _colon, attribute = self.target.partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"cli.commands.{module}"), attribute
        )
        command.short_help = _(self.summary)
        return command


class GlobalOption(click.Option):
    """An option of every command, kept in the Settings rather than passed to the command."""

    def __init__(self, flag: str, field: str = "", *, envvar: str = "", **how: Any) -> None:  # noqa: ANN401 - whatever click.Option takes
        def keep(context: click.Context, _parameter: click.Parameter, value: object) -> None:
            if field and value:
                setattr(context.ensure_object(Settings), field, value)

        super().__init__([flag], expose_value=False, callback=keep, envvar=envvar or None, **how)


def _global_options(*, of_program: bool) -> list[click.Parameter]:
    """The global options; the environment is read once, by those of the program itself."""

    def variable(name: str) -> str:
        return name if of_program else ""

    return [
        GlobalOption(
            "--home",
            "home_option",
            envvar=variable("VIDEOTECA_HOME"),
            metavar=_("DIR"),
            type=click.Path(path_type=Path),
            help=_("Where this peer keeps what it must remember (VIDEOTECA_HOME)."),
        ),
        GlobalOption(
            "--tracker",
            "tracker_option",
            envvar=variable("VIDEOTECA_TRACKER"),
            metavar=_("HOST[:PORT]"),
            help=_("The tracker; by default the one of the last registration (VIDEOTECA_TRACKER)."),
        ),
        GlobalOption(
            "--json",
            "as_json",
            is_flag=True,
            help=_("Print for a program: JSON, with errors too."),
        ),
        GlobalOption(
            "--lang",
            envvar=variable(VARIABLE),
            type=click.Choice(LANGUAGES),
            help=_("The language; by default the locale's (VIDEOTECA_LANG)."),
        ),
    ]


class _WithGlobalOptions(click.Command):
    """Takes the global options, and lists them apart from its own."""

    def __init__(self, *args: Any, of_program: bool = False, **how: Any) -> None:  # noqa: ANN401 - whatever click.Command takes
        how.setdefault("context_settings", CONTEXT)
        how.setdefault("options_metavar", _("[OPTIONS]"))
        super().__init__(*args, **how)
        self.params.extend(_global_options(of_program=of_program))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the global ones."""
        own: list[tuple[str, str]] = []
        everywhere: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                (everywhere if isinstance(parameter, GlobalOption) else own).append(record)
        for title, records in ((_("Options"), own), (_("Global options"), everywhere)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Command(_WithGlobalOptions):
    """A command with the global options."""


class Group(_WithGlobalOptions, click.Group):
    """A group with the global options that imports a command when it is asked for.

    Args:
        entries: its commands, in the order in which help lists them.
    """

    def __init__(self, *args: Any, entries: Sequence[Entry], **how: Any) -> None:  # noqa: ANN401 - whatever click.Group takes
        super().__init__(*args, **how)
        self.subcommand_metavar = _("COMMAND [ARGS]...")
        self._entries = entries
        self._by_name = {name: entry for entry in entries for name in entry.names}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name or alias."""
        entry = self._by_name.get(cmd_name)
        return entry.load() if entry else None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The English names, in order."""
        return [entry.name for entry in self._entries]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with; an unknown one gets likely names."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self._by_name, ctx=ctx
            ) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their aliases, then the options."""
        with formatter.section(_("Commands")):
            formatter.write_dl(
                [(", ".join(entry.names), _(entry.summary)) for entry in self._entries]
            )
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write nothing: the commands come before the options here."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and aliases, without importing a command."""
        found = [
            CompletionItem(name, help=_(entry.summary))
            for name, entry in self._by_name.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


command: Callable[..., Callable[[Callable[..., Any]], Command]] = partial(
    click.command, cls=Command
)
"""Decorates the function of a command; ``help`` is what its own help says."""

group: Callable[..., Callable[[Callable[..., Any]], Group]] = partial(click.command, cls=Group)
"""Decorates the function of a group; ``entries`` are its commands."""

pass_settings: Final = click.make_pass_decorator(Settings, ensure=True)
