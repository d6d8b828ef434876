"""A process that sets documents: `typeset.py` starts it, gives it inputs and reads PDFs from it.

It is a process of its own so that a document that takes too long can be ended, and because what
the typesetter remembers of past documents grows. On stdin: the form and the length, then the
document. On stdout: a status byte, whether more inputs are taken, the length, the PDF or XML.
`frames.py` has the layout.
"""

import resource
import sys
from pathlib import Path
from typing import Final

import msgspec
import typst

from billing_gql.documents.fonts import LEVELS, PACKAGES, Coverage, font_folders
from billing_gql.documents.frames import ANSWER, DONE, FAILED, LARGE, REQUEST
from billing_gql.documents.layout import layout
from billing_gql.documents.obstacles import obstacles
from billing_gql.documents.printed import DocumentForm, PrintedDocument

TEMPLATE = Path(__file__).parent / "document.typ"
STANDARD: Final = "a-3b"
MOST_MEMORY = 2_000_000_000
"""Bytes of address space; a document that wants more ends the process."""
TIRED_MEMORY = 300_000_000
"""Bytes: having grown to this, the process takes no more documents."""


class Typesetter:
    """The template and its fonts, loaded once."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self.compiler = typst.Compiler(
            TEMPLATE,
            root=TEMPLATE.parent,
            font_paths=typst.Fonts(
                include_system_fonts=False,
                include_embedded_fonts=False,
                font_paths=[str(folder) for folder in font_folders()],
            ),
            ignore_system_fonts=True,
        )

    def xml(self, document: PrintedDocument) -> bytes:
        """The e-invoice of a document without obstacles."""
        # Imported late: half a second that only e-invoices take.
        from billing_gql.documents.factur_x import xml_of

        return xml_of(document)

    def pdf(self, document: PrintedDocument) -> bytes:
        """The PDF of a document, a Factur-X where nothing stands against it; raises
        typst.TypstError."""
        if obstacles(document):
            return self._set(document, {})
        from billing_gql.documents.factur_x import marked

        return marked(self._set(document, {"e_invoice": self.xml(document).decode()}))

    def _set(self, document: PrintedDocument, inside: dict[str, str]) -> bytes:
        data = layout(document)
        for level in range(LEVELS):
            fitted = msgspec.json.encode(_fit(data, self.coverage, level)).decode()
            try:
                made = self.compiler.compile(
                    format="pdf",
                    sys_inputs={
                        "data": fitted,
                        "families": "\n".join(PACKAGES.values()),
                        **inside,
                    },
                    pdf_standards=[STANDARD],
                    timestamp=0,
                )
            except typst.TypstError:
                if level == LEVELS - 1:
                    raise
            else:
                if isinstance(made, bytes):
                    return made
        raise AssertionError("unreachable: the last level returns or raises")


def _fit(value: object, coverage: Coverage, level: int) -> object:
    """The value with every text in it made to fit the fonts."""
    match value:
        case str():
            return coverage.fit(value, level)
        case list():
            return [_fit(one, coverage, level) for one in value]
        case dict():
            return {name: _fit(one, coverage, level) for name, one in value.items()}
    return value


def _memory() -> int:
    """Bytes that the process holds. On Linux the most that it ever held would count what the
    service held when it started the process."""
    if sys.platform == "linux":
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(most_bytes: int) -> None:
    """Sets documents until there are no more, or until it has grown too large."""
    if sys.platform == "linux":  # elsewhere address space is counted otherwise
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    typesetter = Typesetter()
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    goes_on = True
    while goes_on and len(head := stdin.read(REQUEST.size)) == REQUEST.size:
        form, length = REQUEST.unpack(head)
        given = msgspec.json.decode(stdin.read(length), type=PrintedDocument)
        make = typesetter.xml if DocumentForm(form.decode()) is DocumentForm.XML else typesetter.pdf
        try:
            status, made = DONE, make(given)
        except (typst.TypstError, ValueError) as error:
            status, made = FAILED, str(error)[:500].encode()
        if len(made) > most_bytes:
            status, made = LARGE, b""
        goes_on = _memory() < TIRED_MEMORY
        stdout.write(ANSWER.pack(status, goes_on, len(made)) + made)
        stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
