"""What tests ask of PDFs, by poppler's programs."""

import re
import subprocess
from functools import lru_cache
from pathlib import Path

from billing_gql.documents.printed import PrintedDocument
from billing_gql.documents.typesetter import Typesetter
from tests.needs import program


@lru_cache(maxsize=1)
def typesetter() -> Typesetter:
    """One for all tests of a process."""
    return Typesetter()


def pdf_of(document: PrintedDocument) -> bytes:
    """The document's PDF, set in this process."""
    return typesetter().pdf(document)


def pages_of(pdf: bytes) -> list[str]:
    """The text of each page, its columns kept apart by blanks."""
    ran = subprocess.run(
        [program("pdftotext"), "-layout", "-", "-"],
        input=pdf,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return ran.stdout.decode().split("\f")[:-1]


def words_of(pdf: bytes) -> str:
    """All text, blanks of any kind as one."""
    return re.sub(r"\s+", " ", " ".join(pages_of(pdf)).replace("\u200b", ""))


def dark_pixels(pdf: bytes, folder: Path, page: int = 1) -> list[tuple[int, int]]:
    """Where the page, drawn in grey at 50 dots an inch, has ink."""
    (folder / "in.pdf").write_bytes(pdf)
    numbers = ["-f", str(page), "-l", str(page)]
    subprocess.run(
        [program("pdftoppm"), "-r", "50", "-gray", *numbers, "-singlefile", "in.pdf", "out"],
        cwd=folder,
        check=True,
        timeout=60,
    )
    head, size, _, pixels = (folder / "out.pgm").read_bytes().split(b"\n", 3)
    assert head == b"P5"
    width = int(size.split()[0])
    return [(at % width, at // width) for at, value in enumerate(pixels) if value < 200]
