"""The command line as a whole: `videoteca` and its commands."""

from gettext import gettext as _

import click

from cli.commands import COMMANDS
from cli.framework import Group, group


def _show_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted:
        import importlib.metadata  # noqa: PLC0415 - takes a tenth of what help may take

        click.echo(f"videoteca {importlib.metadata.version('videoteca')}")
        context.exit()


def make_program() -> Group:
    """The program, in the language that was chosen."""

    @group(
        entries=COMMANDS,
        of_program=True,
        help=_(
            "Share big videos straight between the machines of a group. One tracker knows who has "
            "what; every peer shares its folders and downloads from the others, every byte "
            "verified."
        ),
        epilog=_(
            "'videoteca COMMAND --help' tells more. Each command has its name in Spanish too."
        ),
    )
    @click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help=_("Show the version and exit."),
    )
    def program() -> None:
        """Global options are kept as they are parsed; there is nothing else to do."""

    return program
