"""
``python -m tests.simulation``: as many histories as you like.

Exit status: 0 if nothing was violated (with ``--mutant``: if the mutant died), else 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from tests.simulation import sweep
from tests.simulation.history import tell
from tests.simulation.mutants import MUTANTS, planted
from tests.simulation.sweep import Totals

#: The seeds whose violations have been named already.
_told: list[int] = []
#: Lines of a failing history that are printed; the end is what matters.
_LINES = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and say by the exit status how it went."""
    options = _parser().parse_args(arguments)
    if options.tell is not None:
        with planted(options.mutant):
            print("\n".join(tell(options.tell)))
        return 0
    if options.json:
        seeds = range(options.seed, options.seed + options.histories)
        totals = sweep.run_here(seeds, options.mutant)
        print(sweep.write(totals))
        return int(bool(totals.violations))
    began = time.monotonic()
    totals = sweep.run_apart(
        options.seed,
        options.histories,
        processes=options.processes,
        mutant=options.mutant,
        progress=lambda totals: _progress(totals, options.histories, began),
    )
    print(file=sys.stderr)
    print("\n".join(totals.lines()))
    print(f"{time.monotonic() - began:.0f} s in {options.processes} processes")
    _show(totals, options.mutant)
    return int(bool(totals.violations) is (options.mutant is None))


def _show(totals: Totals, mutant: str | None) -> None:
    """Tell the first history that failed, and how to have it told again."""
    for seed, _, text in totals.violations[:10]:
        print(f"seed {seed}: {text[:300]}")
    if totals.violations:
        seed = totals.violations[0][0]
        with planted(mutant):
            lines = tell(seed)
        print(f"\nThe last {_LINES} lines of history {seed}:")
        print("\n".join(lines[-_LINES:]))
        option = f" --mutant {mutant}" if mutant is not None else ""
        print(f"\nAll of it: python -m tests.simulation --tell {seed}{option}")


def _progress(totals: Totals, histories: int, began: float) -> None:
    took = time.monotonic() - began
    for seed, _, text in totals.violations[len(_told) :]:
        print(f"\nseed {seed}: {text[:200]}", file=sys.stderr)
        _told.append(seed)
    print(
        f"\r{totals.histories:,} of {histories:,} histories, {totals.writes:,} writes,"
        f" {len(totals.violations)} violations, {totals.histories / took:.1f}/s",
        end="",
        file=sys.stderr,
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=3000, help="how many; 3000")
    parser.add_argument("--seed", type=int, default=1, help="the first one; 1")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="with a planted error")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tell", type=int, metavar="SEED", help="tell one history, line by line")
    parser.add_argument("--json", action="store_true", help="totals as JSON, in this process")
    return parser


if __name__ == "__main__":
    sys.exit(main())
