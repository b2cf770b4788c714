"""`completion`: what a shell needs to complete this program's words."""

from gettext import gettext as _

import click
from click.shell_completion import get_completion_class

from cli import framework

SHELLS = ("bash", "zsh", "fish")


@framework.command(
    help=_(
        "Print the completion for a shell. For bash put 'eval \"$(videoteca completion bash)\"' "
        "into ~/.bashrc, for zsh the same with zsh into ~/.zshrc; for fish put 'videoteca "
        "completion fish | source' into ~/.config/fish/config.fish."
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script."""
    kind = get_completion_class(shell)
    assert kind, "click knows these shells"
    program = context.find_root().command
    click.echo(kind(program, {}, "videoteca", "_VIDEOTECA_COMPLETE").source())
