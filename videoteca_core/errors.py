"""Every error that Videoteca raises on purpose.

    VideotecaError
    ├── InvalidInput            what was asked is malformed
    │   ├── InvalidRequest
    │   ├── InvalidName
    │   ├── InvalidAddress
    │   ├── InvalidVideoId
    │   ├── InvalidPageToken
    │   ├── IdMismatch
    │   ├── TooMany
    │   └── InvalidLegacyFile
    ├── NotFound                it does not exist
    │   ├── VideoUnknown
    │   ├── DownloadUnknown
    │   └── FileMissing
    ├── AlreadyExists           somebody or something has it already
    │   ├── NameTaken
    │   ├── NameInUse
    │   └── AlreadyHere
    ├── FailedPrecondition      not possible as things stand
    │   ├── OtherTracker
    │   ├── NameAmbiguous
    │   ├── NotPublished
    │   ├── WrongState
    │   ├── NotThisPeer
    │   └── PieceMissing
    ├── NotRegistered
    ├── ClaimRefused
    ├── OffsetOutOfRange
    ├── Busy                    ask again in a while
    │   ├── NoUploadSlot
    │   └── TooManyWatchers
    ├── Aborted                 it broke off in the middle
    │   ├── FileChanged
    │   └── ReaderStalled
    ├── BadSource               a source does not do what the protocol says
    ├── Unavailable             it can't be had now
    │   ├── Unreachable
    │   ├── OutOfOrder
    │   └── NoSourceOnline
    ├── LocalTrouble            something on this machine is in the way
    │   ├── HomeBusy
    │   ├── NoPeerRunning
    │   ├── PortInUse
    │   ├── AddressNotHere
    │   ├── DatabaseCorrupt
    │   ├── DatabaseForeign
    │   ├── DatabaseTooNew
    │   ├── DiskFull
    │   ├── FolderUnusable
    │   └── FileUnreadable
    ├── RemoteFailure           the other side failed in a way that it did not explain
    └── InternalError           this program failed in a way that it did not foresee

An error has a ``reason`` for a program and a message for a person. The message is the class's
``text`` with the error's ``fields`` put in, so that who receives reason and fields can say the
same in another language. Field values may come from elsewhere: the message escapes them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final

from videoteca_core.text import N_, printable

_OUR_WORDS = frozenset({"problem", "state", "what", "detail"})
"""The fields that may hold our own words; the others hold names, which nobody translates."""


class VideotecaError(Exception):
    """The root of all errors that Videoteca raises on purpose.

    Attributes:
        reason: UPPER_SNAKE, unique to the class; the wire's ``ErrorInfo.reason``.
        text: the message, with a ``{place}`` for each field.
        fields: what the places hold, as text; the wire's ``ErrorInfo.metadata``.
    """

    reason: ClassVar[str]
    text: ClassVar[str]

    def __init__(self, /, **fields: object) -> None:
        self.fields = {key: str(value) for key, value in fields.items()}
        super().__init__(self.message())

    def message(self, translate: Callable[[str], str] = str) -> str:
        """The message in the language that ``translate`` speaks.

        Args:
            translate: gettext or its like; what it does not know it returns unchanged.
        """
        shown = {
            key: self.shown(key, translate(value) if value and key in _OUR_WORDS else value)
            for key, value in self.fields.items()
        }
        return translate(self.text).format(**shown)

    def shown(self, key: str, value: str) -> str:  # noqa: ARG002 - a class may show one field apart
        """A field's value as it may be printed."""
        return printable(value)


class InvalidInput(VideotecaError):
    """What was asked is malformed; asking the same again fails again.

    The field named ``field`` of the request, where there is one, is the culprit.
    """


class InvalidRequest(InvalidInput):
    """A field of a request is out of its range. Fields: field, problem."""

    reason = "INVALID_REQUEST"
    text = N_("{field}: {problem}.")


class InvalidName(InvalidInput):
    """A name of a video or a peer can't be used. Fields: name, problem."""

    reason = "INVALID_NAME"
    text = N_("'{name}' can't be used as a name: {problem}.")


class InvalidAddress(InvalidInput):
    """Not an address where a peer can be. Fields: address, problem."""

    reason = "INVALID_ADDRESS"
    text = N_("'{address}' can't be used as an address: {problem}.")


class InvalidVideoId(InvalidInput):
    """Not an id. Fields: video_id."""

    reason = "INVALID_VIDEO_ID"
    text = N_("'{video_id}' is not a video id: an id is 64 of the characters 0-9 and a-f.")


class InvalidPageToken(InvalidInput):
    """The page token was not made by this call's predecessor. No fields."""

    reason = "INVALID_PAGE_TOKEN"
    text = N_("The page token is not one that this query was given; start again without it.")


class IdMismatch(InvalidInput):
    """A published id does not follow from size and root. Fields: name, video_id, expected."""

    reason = "ID_MISMATCH"
    text = N_("The id of '{name}' does not fit its size and root: {video_id}, not {expected}.")


class TooMany(InvalidInput):
    """Too many things in one call. Fields: count, limit."""

    reason = "TOO_MANY"
    text = N_("{count} at once are too many; send at most {limit} in one call.")


class InvalidLegacyFile(InvalidInput):
    """A bd_clientes.txt can't be read. Fields: path, line, problem."""

    reason = "INVALID_LEGACY_FILE"
    text = N_("{path}, line {line}: {problem}. Nothing was imported.")


class NotFound(VideotecaError):
    """It does not exist."""

    resource_type: ClassVar[str]
    resource_field: ClassVar[str]


class VideoUnknown(NotFound):
    """Nobody here knows such a video. Fields: video (the name or id that was asked for)."""

    reason = "VIDEO_UNKNOWN"
    text = N_("There is no video '{video}'.")
    resource_type = "video"
    resource_field = "video"


class DownloadUnknown(NotFound):
    """No such download. Fields: download_id."""

    reason = "DOWNLOAD_UNKNOWN"
    text = N_("There is no download {download_id}; 'videoteca queue list' shows them.")
    resource_type = "download"
    resource_field = "download_id"


class FileMissing(NotFound):
    """No such file, or it is not a regular one. Fields: path."""

    reason = "FILE_MISSING"
    text = N_("There is no file '{path}'.")
    resource_type = "file"
    resource_field = "path"


class AlreadyExists(VideotecaError):
    """Somebody or something has it already."""

    resource_type: ClassVar[str]
    resource_field: ClassVar[str]


class NameTaken(AlreadyExists):
    """The peer name belongs to another token. Fields: name."""

    reason = "NAME_TAKEN"
    text = N_("The name '{name}' is taken by somebody else; choose another.")
    resource_type = "peer"
    resource_field = "name"


class NameInUse(AlreadyExists):
    """This peer shares another file under the name. Fields: name, path."""

    reason = "NAME_IN_USE"
    text = N_("Another file is shared as '{name}' already: {path}.")
    resource_type = "video"
    resource_field = "name"


class AlreadyHere(AlreadyExists):
    """This peer has the video already. Fields: name, path."""

    reason = "ALREADY_HERE"
    text = N_("You have '{name}' already: {path}.")
    resource_type = "video"
    resource_field = "name"


class FailedPrecondition(VideotecaError):
    """Not possible as things stand."""


class OtherTracker(FailedPrecondition):
    """Another tracker answers at the known address. Fields: expected, actual (tracker ids)."""

    reason = "OTHER_TRACKER"
    text = N_(
        "Another tracker answers at this address than the one where this peer is registered. "
        "If it was replaced on purpose, run 'videoteca register NAME' again."
    )


class NameAmbiguous(FailedPrecondition):
    """A name or prefix means several contents. Fields: video, choices (one a line)."""

    reason = "NAME_AMBIGUOUS"
    text = N_("'{video}' means several videos; say OWNER/NAME or an id:\n{choices}")

    def shown(self, key: str, value: str) -> str:
        """A field's value as it may be printed; the lines of choices stay lines."""
        lines = value.split("\n") if key == "choices" else [value]
        return "\n".join(map(printable, lines))


class NotPublished(FailedPrecondition):
    """The video was imported and has no id until its owner publishes it. Fields: video."""

    reason = "NOT_PUBLISHED"
    text = N_("'{video}' is known by name only: its owner has not published it here yet.")


class WrongState(FailedPrecondition):
    """A download can't do that now. Fields: download_id, state."""

    reason = "WRONG_STATE"
    text = N_("That is not possible: download {download_id} is {state}.")


class NotThisPeer(FailedPrecondition):
    """The challenge was for another name or port. Fields: name."""

    reason = "NOT_THIS_PEER"
    text = N_("The peer at this address is not '{name}'.")


class PieceMissing(FailedPrecondition):
    """A peer that is still downloading does not have that piece yet. Fields: name, piece."""

    reason = "PIECE_MISSING"
    text = N_("Piece {piece} of '{name}' is not here yet: the video is still being downloaded.")


class NotRegistered(VideotecaError):
    """No token, or one that the tracker does not know. No fields."""

    reason = "NOT_REGISTERED"
    text = N_("Register first: 'videoteca register NAME', or Register and send its token.")


class ClaimRefused(VideotecaError):
    """An imported name wants its one-time claim code. Fields: name."""

    reason = "CLAIM_REFUSED"
    text = N_(
        "The name '{name}' was imported; to claim it, give the claim code that the operator of "
        "the tracker has ('videoteca register {name} --claim CODE')."
    )


class OffsetOutOfRange(VideotecaError):
    """The offset is beyond the end. Fields: offset_bytes, size_bytes."""

    reason = "OFFSET_OUT_OF_RANGE"
    text = N_("Offset {offset_bytes} is beyond the end of the video ({size_bytes} bytes).")


class Busy(VideotecaError):
    """It is to be asked again in a while. Fields: retry_after_seconds, whole ones."""

    @property
    def retry_after(self) -> float:
        """Seconds until then; 0 when the other side named no number."""
        text = self.fields.get("retry_after_seconds", "")
        return float(text) if text.isdecimal() else 0.0


class NoUploadSlot(Busy):
    """All upload slots stayed taken. Fields: retry_after_seconds."""

    reason = "NO_UPLOAD_SLOT"
    text = N_("All upload slots are taken; ask again in {retry_after_seconds} s.")


class TooManyWatchers(Busy):
    """Too many watch which pieces a peer has. Fields: retry_after_seconds."""

    reason = "TOO_MANY_WATCHERS"
    text = N_("Too many others watch what this peer has; ask again in {retry_after_seconds} s.")


class Aborted(VideotecaError):
    """It broke off in the middle."""


class FileChanged(Aborted):
    """The file is no longer what was published. Fields: name."""

    reason = "FILE_CHANGED"
    text = N_("The file of '{name}' changed since it was published.")


class ReaderStalled(Aborted):
    """The reader stopped reading and its slot was taken back. Fields: seconds."""

    reason = "READER_STALLED"
    text = N_("Nothing was read for {seconds} s, so the stream was ended.")


class BadSource(VideotecaError):
    """A source does not do what the protocol says. Fields: source, problem."""

    reason = "BAD_SOURCE"
    text = N_("{source} sent something wrong: {problem}.")


class Unavailable(VideotecaError):
    """It can't be reached now, and may be later."""


class Unreachable(Unavailable):
    """Nothing answers there. Fields: what (tracker, peer), address, detail."""

    reason = "UNREACHABLE"
    text = N_(
        "No {what} answers at {address} ({detail}). Check the address, that it runs there, and "
        "that no firewall is between."
    )


class OutOfOrder(Unavailable):
    """The other side's disk or database is in trouble, which only its log explains. No fields."""

    reason = "OUT_OF_ORDER"
    text = N_(
        "The other side can't do that now: its disk or its database is in trouble. Its log says "
        "more; tell its operator, or try again later."
    )


class NoSourceOnline(Unavailable):
    """All holders of the video are offline. Fields: name."""

    reason = "NO_SOURCE_ONLINE"
    text = N_("Nobody who has '{name}' is online; waiting for one.")


class LocalTrouble(VideotecaError):
    """Something on this machine is in the way."""


class HomeBusy(LocalTrouble):
    """Another process uses the home. Fields: home, pid."""

    reason = "HOME_BUSY"
    text = N_(
        "Another videoteca (process {pid}) uses the home {home}; stop it, or give another "
        "one with --home."
    )


class NoPeerRunning(LocalTrouble):
    """No peer runs on this home. Fields: home."""

    reason = "NO_PEER_RUNNING"
    text = N_("No peer is running for the home {home}; start one with 'videoteca peer'.")


class PortInUse(LocalTrouble):
    """The port can't be bound. Fields: address."""

    reason = "PORT_IN_USE"
    text = N_("{address} is in use by another program; give another port with --listen.")


class AddressNotHere(LocalTrouble):
    """The address to listen on can't be bound. Fields: address, detail."""

    reason = "ADDRESS_NOT_HERE"
    text = N_("Can't listen on {address}: {detail}.")


class DatabaseCorrupt(LocalTrouble):
    """A database file is damaged. Fields: path, detail."""

    reason = "DATABASE_CORRUPT"
    text = N_(
        "The database {path} is damaged ({detail}). Move it away and restore a backup, or "
        "start anew without it."
    )


class DatabaseForeign(LocalTrouble):
    """A file is not a database of this program. Fields: path."""

    reason = "DATABASE_FOREIGN"
    text = N_("{path} is not a database of this program; nothing in it was touched.")


class DatabaseTooNew(LocalTrouble):
    """A database was written by a later version. Fields: path."""

    reason = "DATABASE_TOO_NEW"
    text = N_("The database {path} was written by a newer videoteca; upgrade this one.")


class DiskFull(LocalTrouble):
    """No space is left. Fields: path."""

    reason = "DISK_FULL"
    text = N_("The disk of {path} is full; make room.")


class FolderUnusable(LocalTrouble):
    """A folder can't be made, read or written. Fields: path, detail."""

    reason = "FOLDER_UNUSABLE"
    text = N_("The folder {path} can't be used: {detail}.")


class FileUnreadable(LocalTrouble):
    """A file can't be read or written. Fields: path, detail."""

    reason = "FILE_UNREADABLE"
    text = N_("The file {path} can't be used: {detail}.")


class RemoteFailure(VideotecaError):
    """The other side failed without explaining itself. Fields: code, detail."""

    reason = "REMOTE_FAILURE"
    text = N_("The other side failed: {detail} ({code}).")


class InternalError(VideotecaError):
    """This program has a mistake. No fields."""

    reason = "INTERNAL_ERROR"
    text = N_("Internal error; the log has its cause.")


def rebuilt(reason: str, fields: Mapping[str, str], message: str) -> VideotecaError:
    """The error of which reason, fields and message were kept.

    One that this version does not know, or not with these fields, is a RemoteFailure that says
    the message.
    """
    kind = BY_REASON.get(reason)
    try:
        return kind(**fields) if kind else RemoteFailure(code=reason, detail=message)
    except LookupError:  # the message wants other fields
        return RemoteFailure(code=reason, detail=message)


def _leaves(kind: type[VideotecaError]) -> Iterator[type[VideotecaError]]:
    for child in kind.__subclasses__():
        if "reason" in child.__dict__:
            yield child
        yield from _leaves(child)


BY_REASON: Final = {kind.reason: kind for kind in _leaves(VideotecaError)}
"""Every class of this module that is raised, by its reason."""
