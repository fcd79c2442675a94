"""The report of a roll-out shows every phase, and what is wrong."""

from __future__ import annotations

from pathlib import Path

from tools.rollout.audit import Discrepancy, Fault, Judgement
from tools.rollout.ending import Readable
from tools.rollout.ledger import Kind
from tools.rollout.plan import PHASES
from tools.rollout.report import table
from tools.rollout.run import Options, PhaseSeen, Result
from tools.rollout.slots import Judgement as Slots
from tools.rollout.slots import Tally

SEEN = PhaseSeen(began=0, seconds=40, queued=5, with_ext=2, archived=1, indices=3, adopted=3)
LOST = Discrepancy(fault=Fault.LOST, subject="queue/id", text="is nowhere")


def result(*discrepancies: Discrepancy, finished: bool = True, phases: int = len(PHASES)) -> Result:
    return Result(
        options=Options(binary=Path("tasques-go"), elasticsearch_url="http://127.0.0.1:9"),
        seed=7,
        finished=finished,
        seconds=200.0,
        phases=[SEEN] * phases,
        counts={(1, Kind.OURS, "requests"): 1234, (0, Kind.ORIGINAL, "requests"): 1},
        errors={(0, Kind.ORIGINAL, "POST /tasques/claims: 500"): 2},
        tasks=Judgement(counts={"created": 2000}, timed_out={1: 3}, discrepancies=discrepancies),
        slots=Slots(ours=Tally(due=5, made=5), originals=Tally(made=4, doubled=1), intruded=1),
        led={True: 80.0, False: 70.0},
        recurring_changes=16,
        recurring_looks=16,
        readable=Readable(asked=10),
        taken_over=4,
        tracebacks=0,
        discrepancies=discrepancies,
    )


def test_each_server_of_each_phase_has_a_row() -> None:
    """Of a kind that takes no requests in a phase there is none."""
    lines = table(result()).splitlines()
    rows = [line for line in lines if line.startswith(("1 ", "2 ", "3 ", "4 ", "5 ", "      "))]

    assert sum(" Go " in row or " ours " in row for row in rows) >= 7
    assert any("1,234" in line for line in lines)
    assert "phase 1, Go, 2 times: POST /tasques/claims: 500" in lines
    assert lines[-1] == "Every task is accounted for."


def test_what_is_wrong_is_named() -> None:
    """With how to have the same plans again."""
    printed = table(result(LOST))

    assert "1 DISCREPANCIES" in printed
    assert "- lost: queue/id: is nowhere" in printed
    assert "--seed 7 --tasks 2000" in printed
    assert "accounted for" not in printed


def test_a_run_that_did_not_finish_says_so() -> None:
    """Whatever was found until then."""
    printed = table(result(finished=False, phases=2))

    assert "NOT FINISHED within 600 s" in printed
    assert "accounted for" not in printed
