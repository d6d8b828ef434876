"""What tests ask of pages: their elements, and the text in each."""

import re
from html.parser import HTMLParser

VOID_ELEMENTS = frozenset({"meta", "link"})


class Page(HTMLParser):
    """A parsed page. Comments, processing instructions and elements left open are faults."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        """Each start tag with the names of its attributes."""
        self.values: list[tuple[str, str, str]] = []
        """Tag, attribute, value."""
        self.texts: list[tuple[str, str]] = []
        """A tag and the text directly in it."""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.values += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID_ELEMENTS:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data}")

    @property
    def words(self) -> str:
        """All text, blanks of any kind as one."""
        return re.sub(r"\s+", " ", " ".join(text for _, text in self.texts)).strip()

    def of(self, tag: str) -> list[str]:
        """The texts directly in elements of the tag."""
        return [text for one, text in self.texts if one == tag]

    def links(self) -> list[str]:
        """Where its anchors lead."""
        return [value for tag, name, value in self.values if (tag, name) == ("a", "href")]
