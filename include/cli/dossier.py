"""`slipstream dossier`: one signed file of all that is known of a version, which a third party checks without a platform.

`slipstream dossier MODEL [VERSION]` makes it, `slipstream dossier verify FILE` checks it, `slipstream dossier key` tells the
public key. Making needs the control store and the ledger; checking needs neither. A model that is called `verify` or `key` is
named by `--model`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import found
from include.core.errors import DataError, InputError, SlipstreamError
from include.governance.dossier.envelope import Dossier, as_page, read
from include.governance.dossier.issue import issue
from include.governance.dossier.keys import (
    CONNECTION,
    fingerprint,
    known_keys,
    note_key,
    pem_of,
    read_public,
    rotate,
    signing_key,
)
from include.governance.dossier.verify import Report, verify

SHAPES: Shapes = {
    "": {
        "file": "its path", "model": "its name", "version": "which one", "digest": "SHA-256 of its content",
        "key": "the public key that signed it; empty where nobody did",
        "intact": "whether all that the version was made of is as it was",
        "missing": "sections that could not be made, with why",
        "kept": "its path in the storage root; empty without --keep",
    },
    "verify": {
        "name": "model and version", "found": "what does not hold", "proven": "what was proven", "open": "what was not looked at",
        "digest": "SHA-256 of its content", "key": "the public key that signed it; empty where nobody did",
    },
    "key": {
        "key": "the public key that signs now", "fingerprint": "its 16 digits", "former": "those before it: `key`, `since`",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    place = "the model; or verify: check a file; or key: the public key that signs"
    add("what", nargs="?", metavar="MODEL|verify|key", help=place)
    add("which", nargs="?", metavar="VERSION|FILE", help="the version (by default that in production), or the file")
    add("--model", metavar="NAME", help="the model by its name, also where that is verify or key; then comes the VERSION alone")
    add("--out", type=Path, help="where to write it; by default MODEL-vVERSION.dossier.json, or .html, here")
    add("--html", action="store_true", help="as a page that embeds the JSON, to be read and printed")
    add("--keep", action="store_true", help="keep it in the storage root too, where the console shows it")
    add("--unsigned", action="store_true", help="make it without a key, or take one that nobody signed")
    trusted = "verify: a public key that is trusted: 64 hexadecimal digits, PEM, or a file of them"
    add("--key", dest="trusted", action="append", default=[], metavar="PUBLIC", help=trusted)
    add("--files", type=Path, metavar="FOLDER", help="verify: check the files that it names in this copy of the root")
    add("--partial", action="store_true", help="verify: files may lack in that copy")
    add("--audit", type=Path, metavar="EXPORT", help="verify: that its audit rows stand in this export of the chain")
    anchors = "verify: compare the export with the anchors in this file"
    add("--anchors", type=Path, action="append", default=[], metavar="FILE", help=anchors)
    add("--new", action="store_true", help="key: make another one; what the former ones signed can still be verified")
    add("--pem", action="store_true", help="key: as PEM")


def run(options: argparse.Namespace) -> int:
    """Of `verify`, FOUND if anything does not hold."""
    if options.model is not None:
        if options.which is not None:
            raise InputError(
                "With --model there is one more word than a version.", seen=f"{options.what} {options.which}",
                safe="nothing was written.", hint=f"slipstream dossier --model {options.model} [VERSION]",
            )  # fmt: skip
        return _make(options, options.model, options.what)
    if options.what is None:
        raise InputError("Of which model?", safe="nothing was written.", hint="slipstream dossier MODEL [VERSION]")
    if options.what == "verify":
        return _verify(options)
    return _key(options) if options.what == "key" else _make(options, options.what, options.which)


def _make(options: argparse.Namespace, model: str, version: str | None) -> int:
    from include.overview.dossier.gather import gather
    from include.overview.dossier.keep import store
    from include.overview.models import require_model

    context = open_context()
    require_model(model, context.settings.models, lambda: context.control_if_there)
    key = signing_key(context.settings.home, context.settings.environ)
    if key is None and not options.unsigned:
        raise InputError(
            "There is no key to sign the dossier with.",
            safe="nothing was written.",
            hint=f"`slipstream dossier key --new` makes one in this home, the connection {CONNECTION} holds one that is shared; "
            "--unsigned makes a dossier that says that nobody signed it.",
        )
    body = gather(context, model, _version(version), context.actor)
    ending = "html" if options.html else "json"
    path: Path = options.out or Path(f"{model}-v{body['version']}.dossier.{ending}")
    data = issue(context.control, body, None if options.unsigned else key, context.actor)
    _write(path, as_page(data) if options.html else data)
    dossier, kept = read(data), store(context, data).path if options.keep else ""
    value = {
        "file": str(path), "model": model, "version": body["version"], "digest": dossier.digest,
        "key": _key_of(dossier), "intact": body["lineage"]["intact"], "missing": body["missing"],
        "kept": kept,
    }  # fmt: skip
    answer(options, value, _made_words(path, dossier, kept))
    return 0


def _made_words(path: Path, dossier: Dossier, kept: str) -> Iterator[str]:
    key = _key_of(dossier)
    by = f"signed by the key {fingerprint(key)}" if key else "UNSIGNED: nobody vouches for it"
    yield f"The dossier of {dossier.name} is in {path}, {by}."
    yield from (f"Not in it: {name}: {why}" for name, why in dossier.body["missing"].items())
    if not dossier.body["lineage"]["intact"]:
        yield "Not everything that the version was made of is there as it was: see the dossier's lineage."
    if kept:
        yield f"It is kept as {kept} in the storage root: the console shows it to whoever may read {dossier.body['model']}."
    if key:
        yield f"To check it anywhere: slipstream dossier verify {path} --key {key}"


def _verify(options: argparse.Namespace) -> int:
    from include.governance.anchors import read_places

    if not options.which:
        hint = f"slipstream dossier verify FILE --key PUBLIC{_as_model('verify')}"
        raise InputError("Which dossier is to be verified?", safe="nothing was verified.", hint=hint)
    dossier = read(_data(Path(options.which)))
    if options.files is not None and not options.files.is_dir():
        raise InputError(
            f"{options.files} is no folder.", safe="nothing was verified.", hint="name the copy of the storage root."
        )
    report = verify(
        dossier, _trusted(options, dossier), unsigned=options.unsigned, files=options.files, partial=options.partial,
        export=options.audit, anchored=read_places([], options.anchors),
    )  # fmt: skip
    if options.json:
        answer(options, {**vars(report), "digest": dossier.digest, "key": _key_of(dossier)})
        return found(report.found)
    report.raise_if_found()
    answer(options, None, _verified_words(report))
    return 0


def _verified_words(report: Report) -> Iterator[str]:
    yield f"The dossier of {report.name} holds."
    yield from (f"  proven: {each}" for each in report.proven)
    yield from (f"  open: {each}" for each in report.open)


def _trusted(options: argparse.Namespace, dossier: Dossier) -> list[str]:
    """The keys that were named; else those that ever signed on this platform, if this machine has one."""
    if options.trusted:
        return [key for given in options.trusted for key in read_public(given)]
    if dossier.signature is None:
        return []
    try:
        control = open_context().control_if_there
        known = [key for key, _ in known_keys(control)] if control is not None else []
    except SlipstreamError:  # a platform that is away says nothing of keys
        known = []
    if known:
        return known
    raise InputError(
        "A signature proves something only by a key that you have from elsewhere.",
        seen=_key_of(dossier),
        safe="nothing was verified.",
        hint=f"if that is the key its owner published: slipstream dossier verify {options.which} --key {_key_of(dossier)}",
    )


def _key(options: argparse.Namespace) -> int:
    if options.which is not None:
        raise InputError(
            "`slipstream dossier key` takes no version and no file.", seen=options.which, safe="nothing was made.",
            hint=f"slipstream dossier key [--new] [--pem]{_as_model('key', options.which)}",
        )  # fmt: skip
    context = open_context()
    home, environ = context.settings.home, context.settings.environ
    key = rotate(home, environ) if options.new else signing_key(home, environ)
    if key is None:
        raise DataError(
            "There is no key that signs dossiers here.",
            safe="nothing was made.",
            hint=f"`slipstream dossier key --new` makes one in this home; the connection {CONNECTION} holds one that is shared.",
        )
    former = _former(context, key.public, note=options.new)
    value = {"key": key.public, "fingerprint": fingerprint(key.public), "former": former}
    words = [pem_of(key.public).rstrip()] if options.pem else [key.public]
    answer(options, value, [*words, *(f"{each['key']}  signed before, since {each['since'][:19]}" for each in former)])
    return 0


def _as_model(name: str, version: str = "[VERSION]") -> str:
    """What to say instead, of a model that is called as a word of this command is."""
    return f"; of a model of that name: slipstream dossier --model {name} {version}"


def _former(context: CliContext, public: str, *, note: bool) -> list[dict[str, str]]:
    control = context.control_if_there
    if control is None:
        return []
    if note:
        note_key(control, public, context.actor)
    return [{"key": key, "since": since} for key, since in known_keys(control) if key != public]


def _version(given: str | None) -> int | None:
    if given is None:
        return None
    if not given.isdecimal():
        raise InputError("A version is a number.", seen=given, hint="`slipstream versions MODEL` lists them.")
    return int(given)


def _key_of(dossier: Dossier) -> str:
    return dossier.signature["key"] if dossier.signature else ""


def _data(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", safe="nothing was verified.", hint="name the file."
        ) from error


def _write(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}.", safe="no file was replaced.", hint="name a new file by --out."
        ) from error
