"""
Leaders that are killed, frozen, stopped and misled about the time, and every slot accounted for.

The long form of it is ``python -m tools.leadership``; its judge is tested in
``test_leadership_audit.py``.
"""

from __future__ import annotations

import secrets

from tools.elasticsearch_node import ElasticsearchNode
from tools.leadership.fates import Fate
from tools.leadership.report import table
from tools.leadership.run import Options, check

FATES = (
    Fate.KILL,
    Fate.CLOCK,
    Fate.STOP,
    Fate.PAUSE_ELASTICSEARCH,
    Fate.RELEASE,
)


def test_every_slot_is_decided_once_whatever_becomes_of_leaders(
    own_elasticsearch_node: ElasticsearchNode,
) -> None:
    """
    No slot has two tasks, and each has one or a reason why it has none. Whoever leads is replaced
    when it is killed, frozen for ten leases, asked to stop, or has a clock that is hours off; one
    that was frozen writes nothing when it goes on.
    """
    result = check(
        Options(
            elasticsearch_url=own_elasticsearch_node.url,
            node=own_elasticsearch_node,
            prefix=f".t{secrets.token_hex(6)}_",
            servers=2,
            lease_seconds=1.0,
            fates=FATES,
        )
    )
    assert result.ok, table(result)
    assert result.judgement.ours.created
    # How fast is for a machine that has nothing else to do; here it is that it happens at all.
    assert all(handover.seconds is not None for handover in result.handovers), table(result)
    assert [h.said_so for h in result.handovers if h.fate is Fate.CLOCK] == [True]
    assert result.terms > 1
    assert result.tracebacks == 0
