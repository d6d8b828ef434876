"""Milliseconds and peak memory of a PDF with 1, 24 and 1,000 lines, beside an empty page.

The floor is the typesetter's own: Typst setting one page without a word on it, as PDF/A-3 too. Each
figure is of a process of its own, as the service has it; a document is set first once, which loads
the fonts, and then with other names each time, so that what was set before is of no use.

    .venv/bin/python benchmarks/documents.py [documents for each figure]
"""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
EMPTY = b"#set document(date: datetime(year: 2026, month: 1, day: 1))\n#pagebreak(weak: true)"


def measured(kind: str, count: int) -> tuple[float, float, float, float, int]:
    """Seconds of the first; of the others median seconds, and of processor time; the first's peak
    megabytes and bytes."""
    started = time.perf_counter()
    make = setter(kind)
    size = len(make(0))
    first = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taken, worked = [], []
    for number in range(1, count + 1):
        started, began = time.perf_counter(), time.process_time()
        make(number)
        taken.append(time.perf_counter() - started)
        worked.append(time.process_time() - began)
    return first, statistics.median(taken), statistics.median(worked), peak, size


def setter(kind: str) -> Callable[[int], bytes]:
    """Sets the document of that kind with a number of its own."""
    if kind == "an empty page":
        import typst

        def empty(number: int) -> bytes:
            inputs = {"number": str(number)}
            return typst.compile(
                EMPTY,
                format="pdf",
                ignore_system_fonts=True,
                sys_inputs=inputs,
                pdf_standards=["a-3b"],
                timestamp=0,
            )

        return empty
    from tests.documents.samples import invoice, line, rich

    from billing_gql.documents.typesetter import Typesetter

    typesetter = Typesetter()
    document = {
        "1 line": invoice,
        "24 lines": rich,
        "1,000 lines": lambda: invoice(*(line(number) for number in range(1, 1001))),
    }[kind]()

    def numbered(number: int) -> bytes:
        lines = tuple(replace(one, name=f"{one.name}, {number}") for one in document.lines)
        return typesetter.pdf(replace(document, number=f"NOR-007-{number:04}", lines=lines))

    return numbered


def main() -> None:
    """Prints a table; processor time as multiples of the first row's too."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    spawn = multiprocessing.get_context("spawn")
    print(
        f"{'':14} {'first':>9} {'then':>9} {'processor':>9} {'floors':>7} {'peak':>8} {'size':>9}"
    )
    floor = 0.0
    for kind in ("an empty page", "1 line", "24 lines", "1,000 lines"):
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            first, then, work, peak, size = pool.submit(measured, kind, count).result()
        floor = floor or work
        print(
            f"{kind:14} {first * 1e3:6.0f} ms {then * 1e3:6.1f} ms {work * 1e3:6.1f} ms"
            f" {work / floor:6.1f}x {peak:5.0f} MB {size / 1e3:6.0f} kB"
        )


if __name__ == "__main__":
    main()
