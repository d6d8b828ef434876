"""What holds for every file of the repository."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MADE = {"__pycache__", "node_modules"}
FORBIDDEN = {
    # Joined here so that this file does not hold them itself.
    "a registry's host or index": re.compile(
        "|".join([r"pypi\.", r"pythonhosted", r"registry\.npmjs", "index" + "-url", r"/simple\b"])
    ),
    "a path of one machine": re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "/home/" + r"\w"])),
}


def tracked() -> list[Path]:
    """The repository's files; of a copy without git, those that no tool has made."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        return [path for path in ROOT.rglob("*") if path.is_file() and not is_made(path)]
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def is_made(path: Path) -> bool:
    folders = path.relative_to(ROOT).parts[:-1]
    return any(one in MADE or (one.startswith(".") and one != ".ci") for one in folders)


def test_no_address_of_a_registry_and_no_path_of_a_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if path == Path(__file__):
            continue
        found += [
            f"{path.relative_to(ROOT)}: {what}: {match[0]}"
            for what, pattern in FORBIDDEN.items()
            for match in pattern.finditer(text)
        ]
    assert found == []


def test_files_and_functions_stay_small() -> None:
    large = []
    for path in SOURCES:
        text = path.read_text()
        if len(text.splitlines()) > 400:
            large.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 70:
                    large.append(f"{path.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert large == []


def test_nothing_is_left_to_do() -> None:
    left = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in SOURCES
        for match in left.finditer(path.read_text())
    ]
    assert found == []
