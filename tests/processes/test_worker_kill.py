"""kill -9 of workers loses nothing: the short form of tools.worker_kill."""

from tools.worker_kill import Plan, run


def test_killed_workers_lose_and_strand_nothing() -> None:
    """Each task is done in the end, and the attempt that counts is one whose body came to its end."""
    plan = Plan(tasks=60, kills=3, milliseconds=50, timeout="3s", patience=600.0)
    account = run(plan)
    assert account.is_right, str(account)
    assert account.begun >= plan.tasks
