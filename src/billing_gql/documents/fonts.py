"""The fonts that documents are set in, and how text is made to fit them.

PDF/A refuses a character that no font has, so what cannot be shown becomes a box: a document is
never refused for a name. Packages carry the fonts (docs/decisions/0018).
"""

import unicodedata
from importlib.util import find_spec
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError

PACKAGES = {
    "fontpkg_inter": "Inter",
    "fontpkg_noto_sans": "Noto Sans",
    "fontpkg_noto_sans_arabic": "Noto Sans Arabic",
    "pylopdf_fonts_he": "Noto Sans Hebrew",
    "pylopdf_fonts_th": "Noto Sans Thai",
    "noto_cjk_sans_jp_regular": "Noto Sans CJK JP",
}
"""The package of each family, in the order in which a character is looked for."""
BOX = "□"
"""Stands for what no font has; the first family has it."""
LEVELS = 3
"""How often a text may be made simpler: the last level cannot fail."""
ZERO_WIDTH_SPACE = "\u200b"
JOINERS = "\u200c\u200d"
"""Between letters they decide on shapes, in Persian and in Hindi."""


def font_folders() -> list[Path]:
    """Where the fonts are; raises RuntimeError for a package that is not installed."""
    folders = []
    for package in PACKAGES:
        found = find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise RuntimeError(f"The package of fonts {package} is not installed.")
        folders.append(Path(found.submodule_search_locations[0]))
    return folders


class Coverage:
    """Which characters the fonts have."""

    def __init__(self) -> None:
        sets = [_characters(folder, PACKAGES[folder.name]) for folder in font_folders()]
        self._first = sets[0]
        self._all = frozenset().union(*sets)

    def fit(self, text: str, level: int = 0) -> str:
        """The text with only what can be shown.

        Controls, and marks that turn the direction of what follows, are left out at each level.
        Level 1 leaves out combining marks and joiners too: a font may lack one for a letter that
        it has. Level 2 keeps to the first family.
        """
        text = unicodedata.normalize("NFC", text)
        return "".join(self._fitted(character, level) for character in text)

    def _fitted(self, character: str, level: int) -> str:
        known = self._all if level < LEVELS - 1 else self._first
        kind = unicodedata.category(character)
        code = ord(character)
        if character == "\n" or kind in ("Zl", "Zp"):
            fitted = "\n"
        elif kind == "Zs" or character == "\t":
            fitted = character if code in known else " "
        elif kind == "Cf":
            kept = character == ZERO_WIDTH_SPACE or (level == 0 and character in JOINERS)
            fitted = character if kept else ""
        elif kind == "Cc" or _is_modifier(code):
            fitted = ""
        elif kind[0] == "M":
            fitted = character if level == 0 and code in known else ""
        elif kind[0] != "C" and code in known:
            fitted = character
        else:
            fitted = self._plainer(character, known)
        return fitted

    def _plainer(self, character: str, known: frozenset[int]) -> str:
        """Another spelling of the same, as of a letter in a mathematical script; else a box."""
        other = unicodedata.normalize("NFKC", character)
        if other != character and all(
            ord(one) in known and unicodedata.category(one)[0] not in "MC" for one in other
        ):
            return other
        return BOX


def _is_modifier(code: int) -> bool:
    """Chooses how the character before it looks: variants, tones of skin, tags."""
    return (
        0xFE00 <= code <= 0xFE0F
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0000 <= code <= 0xE0FFF
        or 0x180B <= code <= 0x180F
    )


def _characters(folder: Path, family: str) -> frozenset[int]:
    """What the family's upright fonts below the folder have."""
    found: set[int] = set()
    for path in sorted([*folder.rglob("*.ttf"), *folder.rglob("*.otf")]):
        try:
            with TTFont(path, lazy=True) as font:
                name = font["name"]
                if family in (name.getDebugName(1), name.getDebugName(16)):
                    found |= set(font.getBestCmap())
        except TTLibError as error:
            raise RuntimeError(f"The font {path.name} cannot be read.") from error
    if not found:
        raise RuntimeError(f"The package {folder.name} does not have the font {family}.")
    return frozenset(found)
