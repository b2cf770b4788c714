"""The conversation: understands a line, does what it says, and answers."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from gettext import gettext as _
from itertools import zip_longest
from pathlib import Path

import click

from cli import output, tracker_access
from cli.commands import QUEUE_COMMANDS
from cli.commands.download import queued_text
from cli.commands.info import catalogue_table
from cli.commands.limits import limits_text
from cli.commands.locate import located_text
from cli.commands.queue import find, queue_table
from cli.commands.register import registration
from cli.commands.status import status_text
from cli.details import details_text
from cli.queries import ask_for
from cli.rates import RATE
from cli.settings import Settings
from cli.sharing import find_file, share
from cli.shell import vocabulary as words
from cli.shell.watcher import Watcher
from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download
from peer_service.status import PeerStatus
from tracker_service.client import TrackerClient
from videoteca_core.errors import NotRegistered, Unreachable, VideotecaError
from videoteca_core.names import valid_name
from videoteca_core.text import printable

_PORT_DIGITS = 5


class WrongForm(Exception):
    """A command was not given what it wants."""


class Session:
    """A person, or a file with lines, talking to the peer of this process.

    Attributes:
        leaving: whether it was told to end.
        queued: the numbers of the downloads that were asked for here.
    """

    def __init__(self, settings: Settings, control: ControlClient, watcher: Watcher) -> None:
        self.leaving = False
        self.queued: list[int] = []
        self._settings = settings
        self._control = control
        self._watcher = watcher
        self._seen_names: list[str] = []
        self._actions: dict[words.Word, Callable[[list[str]], None]] = {
            words.REGISTER: self._register,
            words.PUBLISH: self._publish,
            words.WITHDRAW: self._withdraw,
            words.INFO: self._info,
            words.LOCATE: self._locate,
            words.DOWNLOAD: self._download,
            words.QUEUE: self._queue,
            words.STATUS: self._status,
            words.LIMITS: self._limits,
            words.HELP: self._help,
            words.LEAVE: self._leave,
        }
        self._words = {name: word for word in self._actions for name in word.names}

    def do(self, line: str) -> None:
        """Do what a line says, and say what came of it; no line is ever an error of ours."""
        try:
            command, *arguments = shlex.split(line) or [""]
        except ValueError:
            output.say(_("A quote is not closed; a name with spaces is written 'like this.mp4'."))
            return
        if not command:
            return
        word = self._words.get(command.lower())
        if word is None:
            output.say(
                _("Unknown command '{command}'; there are: {commands}.").format(
                    command=printable(command), commands=", ".join(self._commands())
                )
            )
            return
        try:
            self._actions[word](arguments)
        except click.BadParameter as error:
            output.say(error.message)
        except WrongForm:
            output.say(_("Wrong format; it is: {form}").format(form=_(word.forms)))
        except NotRegistered:
            output.say(_("Register first: {form}").format(form=_(words.REGISTER.forms)))
        except Unreachable as error:
            output.say(_("There is no server there: {why}").format(why=error.message(_)))
        except VideotecaError as error:
            output.say(error.message(_))

    def suggestions(self, before: Sequence[str]) -> Iterator[str]:
        """The words that may come next.

        Args:
            before: the words of the line so far.
        """
        if not before:
            yield from filter(str.isalpha, self._words)
            return
        word = self._words.get(before[0].lower())
        if word in (words.LOCATE, words.DOWNLOAD, words.INFO):
            yield from self._seen_names
        elif word is words.WITHDRAW:
            yield from (holding.name for holding in self._control.status().shared)
        elif word is words.QUEUE and len(before) == 1:
            here = (entry for entry in QUEUE_COMMANDS if entry.name != "watch")
            yield from (name for entry in here for name in entry.names)
        elif word is words.LIMITS and len(before) % 2:
            yield from words.LIMIT_WORDS

    def takes_files(self, before: Sequence[str]) -> bool:
        """Whether file names may come next."""
        return bool(before) and self._words.get(before[0].lower()) is words.PUBLISH

    def _commands(self) -> list[str]:
        return [word.names[0] for word in self._actions]

    def _register(self, arguments: list[str]) -> None:
        match arguments:
            case [name]:
                wanted = registration(name, "", None)
            case [name, host]:
                wanted = registration(name, host, None)
            case [name, host, port] if port.isdecimal() and len(port) <= _PORT_DIGITS:
                wanted = registration(name, host, int(port))
            case _:
                raise WrongForm
        self._control.enroll(wanted.name, wanted.host, wanted.port)
        vars(self._settings).pop("identity", None)  # what was remembered of it is old now
        output.say(_("Registered as '{name}'.").format(name=printable(wanted.name)))

    def _publish(self, arguments: list[str]) -> None:
        status = self._registered()
        files = _files(arguments, status.name)
        for file in files:
            try:
                holding = share(
                    self._control, find_file(Path(file), status.shared_folders), shown=False
                )
            except VideotecaError as error:
                output.say(error.message(_))
                continue
            output.say(
                _("Published: '{name}' ({size}), id {video_id}.").format(
                    name=printable(holding.name),
                    size=output.size(holding.size_bytes),
                    video_id=output.short_id(holding.video_id),
                )
            )

    def _withdraw(self, arguments: list[str]) -> None:
        if not arguments:
            raise WrongForm
        self._registered()
        names = [valid_name(name) for name in arguments]
        self._control.unshare(names)
        for name in names:
            output.say(_("'{name}' is no longer shared.").format(name=printable(name)))

    def _info(self, arguments: list[str]) -> None:
        if len(arguments) > 1:
            raise WrongForm
        with self._tracker() as tracker:
            videos = tuple(tracker.all_videos(*arguments or [""]))
        self._seen_names = sorted({video.name for video in videos})
        output.say(catalogue_table(videos))

    def _locate(self, arguments: list[str]) -> None:
        if len(arguments) != 1:
            raise WrongForm
        with self._tracker() as tracker:
            output.say(located_text(ask_for(arguments[0], tracker.locate)))

    def _download(self, arguments: list[str]) -> None:
        if not arguments:
            raise WrongForm
        self._registered()
        for video in arguments:
            try:
                with self._watcher.speaking:
                    download, already_queued = ask_for(video, self._control.enqueue)
                    output.say(queued_text(download, already_queued=already_queued))
            except (NotRegistered, Unreachable):
                raise
            except VideotecaError as error:
                output.say(error.message(_))
            else:
                self.queued.append(download.download_id)

    def _queue(self, arguments: list[str]) -> None:
        action, *numbers = arguments or ["list"]
        action = {name: entry.name for entry in QUEUE_COMMANDS for name in entry.names}.get(
            action.lower(), ""
        )
        if action == "list" and not numbers:
            output.say(queue_table(self._control.downloads()))
            return
        if not numbers or not all(number.isdecimal() for number in numbers):
            raise WrongForm
        chosen = [int(number) for number in numbers]
        if action == "show":
            known = self._control.downloads()
            output.say(details_text([find(known, number) for number in chosen]))
            return
        output.say(queue_table(self._change(action, chosen)))

    def _change(self, action: str, numbers: list[int]) -> list[Download]:
        each = {
            "pause": self._control.pause,
            "resume": self._control.resume,
            "retry": self._control.retry,
            "cancel": self._control.cancel,
        }
        match action, numbers:
            case "move", [download_id, position] if position:
                return [self._control.move(download_id, position=position)]
            case _ if action in each:
                return [each[action](number) for number in numbers]
        raise WrongForm

    def _status(self, arguments: list[str]) -> None:
        if arguments:
            raise WrongForm
        output.say(status_text(self._control.status()))

    def _limits(self, arguments: list[str]) -> None:
        wanted: dict[str, int] = {}
        for which, rate in zip_longest(arguments[::2], arguments[1::2]):
            limit = words.LIMIT_WORDS.get(which.lower())
            if limit is None or rate is None:
                raise WrongForm
            wanted[limit] = RATE.convert(rate, None, None)
        output.say(limits_text(self._control.set_limits(**wanted)))

    def _help(self, _arguments: list[str]) -> None:
        width = max(len(_(word.forms)) for word in self._actions)
        for word in self._actions:
            output.say(f"{_(word.forms):<{width}}  {_(word.summary)}")
        english = ", ".join(word.names[1] for word in self._actions if len(word.names) > 1)
        output.say(_("English words do too: {words}.").format(words=english))

    def _leave(self, arguments: list[str]) -> None:
        if arguments:
            raise WrongForm
        self.leaving = True

    def _registered(self) -> PeerStatus:
        status = self._control.status()
        if not status.name:
            raise NotRegistered
        return status

    def _tracker(self) -> TrackerClient:
        self._registered()
        return tracker_access.tracker(self._settings)


def _files(arguments: list[str], own_name: str) -> list[str]:
    """The files of ``videos FILE...``, or of the old ``videos NAME COUNT FILE...``."""
    if len(arguments) > 1 and arguments[1].isdecimal() and not Path(arguments[1]).exists():
        name, count, *files = arguments
        if name != own_name or int(count) != len(files):
            raise WrongForm
        return files
    if not arguments:
        raise WrongForm
    return arguments
