"""What the client does when an answer does not come, or says that it cannot be done now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from tasques.client import (
    AnswerLost,
    Client,
    Done,
    Finish,
    Hold,
    NewTask,
    NoSuchRoute,
    NotUnderstood,
    ServerError,
    ServerUnavailable,
    Unauthorized,
)
from tasques.client.commands.base import IDEMPOTENCY_KEY_HEADER
from tasques.client.retrying import NotReached, Tries
from tasques.core import errors
from tests.client.scripted import NO_ROUTE, Drop, Say, Scripted, task_body
from tools.ports import reserved_port

MADE = Say(201, task_body())
DONE = Say(200, task_body(state="done"))
BUSY = Say(503, {"message": "too much"}, {"Retry-After": "0"})
HELD = Hold(queue="mail", id="t1", worker="w1", claim_id="c1")
UNNAMED = Hold(queue="mail", id="t1", worker="w1")

Call = Callable[[Client], object]


def create(client: Client) -> object:
    return client.create("mail", "send")


def create_with_id(client: Client) -> object:
    return client.create("mail", "send", id="t1")


def claim(client: Client) -> object:
    return client.claim("w1", ["mail"])


@pytest.mark.parametrize("trouble", [Drop(), BUSY], ids=["lost", "busy"])
@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda client: client.get("mail", "t1"), DONE),
        (lambda client: client.done(HELD), DONE),
        (lambda client: client.failed(HELD), DONE),
        (lambda client: client.unclaim(HELD), DONE),
        (lambda client: client.report(HELD), DONE),
        (create, MADE),
        (create_with_id, MADE),
    ],
    ids=["get", "done", "failed", "unclaim", "report", "create", "create-with-id"],
)
def test_what_is_as_good_done_twice_is_repeated(
    trouble: Say | Drop, call: Call, answer: Say
) -> None:
    """The same request again, to its letter."""
    with Scripted([trouble, trouble, answer]) as server, Client(server.url) as client:
        call(client)
    first, *rest = server.asked
    assert len(rest) == 2
    assert all(
        (r.method, r.path, r.content) == (first.method, first.path, first.content) for r in rest
    )
    key = IDEMPOTENCY_KEY_HEADER
    assert {r.headers.get(key) for r in rest} == {first.headers.get(key)}


@pytest.mark.parametrize(
    "call",
    [
        claim,
        lambda client: client.done(UNNAMED),
        lambda client: client.failed(UNNAMED),
        lambda client: client.run_recurring("r"),
        lambda client: client.delete_recurring("r"),
    ],
    ids=["claim", "done", "failed", "run", "delete"],
)
def test_what_may_not_be_done_twice_is_asked_once(call: Call) -> None:
    """An answer that is lost is told as such: it may have been done."""
    with (
        Scripted([Drop()]) as server,
        Client(server.url) as client,
        pytest.raises(AnswerLost, match="did not answer"),
    ):
        call(client)
    assert len(server.asked) == 1


def test_a_refused_claim_is_asked_for_again() -> None:
    """503 to a claim says that nothing was claimed."""
    with Scripted([BUSY, Say(200, [])]) as server, Client(server.url) as client:
        assert claim(client) == ()
    assert len(server.asked) == 2


def test_creates_are_not_repeated_against_an_original_server() -> None:
    """It knows no keys, and would make a second task."""
    with (
        Scripted([Drop(), MADE], alive=NO_ROUTE) as server,
        Client(server.url) as client,
        pytest.raises(AnswerLost),
    ):
        create(client)
    assert len(server.asked) == 1
    assert client.is_original() is True  # remembered


def test_creates_are_not_repeated_where_nobody_wants_it() -> None:
    """While original servers answer at the same address, no probe tells who takes the repeat."""
    with (
        Scripted([Drop(), MADE]) as server,
        Client(server.url, repeat_creates=False) as client,
        pytest.raises(AnswerLost),
    ):
        create(client)
    assert len(server.asked) == 1


def test_an_id_that_is_there_after_a_lost_answer_is_no_refusal() -> None:
    """Perhaps it was the first try that made it; who knows is not the client."""
    taken = Say(409, {"message": "Task with Id [t1] already exists "})
    with Scripted([Drop(), taken]) as server, Client(server.url) as client:
        with pytest.raises(errors.OutcomeUnknown, match="already exists"):
            create_with_id(client)
        with pytest.raises(errors.TaskAlreadyExists):
            create_with_id(client)


def test_nobody_there_is_told_after_a_while() -> None:
    """Nothing was sent, so even what may not be done twice is tried until patience is over."""
    with reserved_port() as reserved:
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with Client(url, patience="100ms") as client, pytest.raises(NotReached, match="cannot"):
            claim(client)


def test_patience_may_be_none() -> None:
    """Whoever has a policy of their own gets the first trouble."""
    with (
        Scripted([BUSY]) as server,
        Client(server.url, patience=0) as client,
        pytest.raises(ServerUnavailable, match="too much"),
    ):
        client.get("mail", "t1")
    assert len(server.asked) == 1


def test_the_asynchronous_twin_repeats_alike() -> None:
    """One rule, two ways of waiting."""

    async def go(url: str) -> None:
        async with Client(url) as client:
            await client.create_async("mail", "send")
            with pytest.raises(AnswerLost):
                await client.claim_async("w1", ["mail"])

    with Scripted([Drop(), MADE, Drop()]) as server:
        asyncio.run(go(server.url))
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Say(401), Unauthorized),
        (NO_ROUTE, NoSuchRoute),
        (Say(405, {"message": "No such route."}), NoSuchRoute),
        (Say(404), NoSuchRoute),
        (Say(404, {"message": "no Route matched with those values"}), NoSuchRoute),
        (Say(403), ServerError),
        (Say(307, None, {"Location": "http://elsewhere"}), NotUnderstood),
        (Say(200, {"id": 5}), NotUnderstood),
        (Say(200), NotUnderstood),
        (Say(500, {"message": "Error from Elasticsearch: x"}), ServerError),
        (Say(404, {"message": "Could not find [t1] in queue [mail]"}), errors.TaskNotFound),
        (
            Say(500, {"message": "The document [t1] in queue [mail] is not a valid task: x"}),
            errors.MalformedTask,
        ),
        (Say(400, {"message": "no such thing"}), errors.InvalidInput),
    ],
)
def test_every_answer_is_an_error_of_its_own(said: Say, error: type[Exception]) -> None:
    """With the server's words in its message, where it has any."""
    with Scripted([said]) as server, Client(server.url) as client, pytest.raises(error) as raised:
        client.get("mail", "t1")
    assert type(raised.value) is error
    if said.body and "message" in said.body and error is not NoSuchRoute:
        assert said.body["message"] in str(raised.value)


def test_an_original_server_is_told_one_by_one() -> None:
    """It knows no requests for many; for a while it is not asked again whether it does."""
    with Scripted([NO_ROUTE, DONE], alive=NO_ROUTE) as server, Client(server.url) as client:
        for _ in range(2):
            outcomes = client.finish_many([Finish(HELD, Done()), Finish(HELD, Done())])
            assert not any(isinstance(each, Exception) for each in outcomes)
    paths = [each.path for each in server.asked]
    assert paths == ["/tasques/finish-many", *["/tasques/done/mail/t1"] * 4]


def test_many_creations_may_be_repeated() -> None:
    """Each carries a key or an id."""
    items = {"items": [{"status": 201, "task": task_body()}] * 2}
    with Scripted([Drop(), Say(200, items)]) as server, Client(server.url) as client:
        client.create_many([NewTask.of("mail", "send"), NewTask.of("mail", "send", id="x")])
    first, second = (json.loads(each.content) for each in server.asked)
    assert first == second
    assert "idempotency_key" in first["items"][0]


def test_credentials_go_with_each_request_and_nowhere_else() -> None:
    """Not into messages, and not into what is shown of a client."""
    with Scripted([DONE, Say(401)]) as server:
        url = server.url.replace("//", "//ann:se%3Acret@")
        with Client(url) as client:
            client.get("mail", "t1")
            with pytest.raises(Unauthorized) as refused:
                client.get("mail", "t1")
    assert server.asked[0].headers["Authorization"] == "Basic YW5uOnNlOmNyZXQ="
    assert "cret" not in f"{refused.value}{client.url}{client!r}"


def test_names_are_encoded() -> None:
    """Whatever a queue or a task is called, it names itself."""
    with Scripted([DONE]) as server, Client(server.url) as client:
        client.get("a b", "c?d/e%ü")
    assert server.asked[0].path == "/tasques/a%20b/c%3Fd%2Fe%25%C3%BC"


def test_pauses_grow_and_end() -> None:
    """Doubled up to two seconds, shortened by chance; the server's wish is the least."""
    now = [0.0]
    tries = Tries(10.0, clock=lambda: now[0], chance=lambda: 1.0)
    lost = AnswerLost("x")
    assert [tries.pause(lost) for _ in range(7)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    now[0] = 9.0
    assert tries.pause(lost) is None
    wishing = Tries(10.0, clock=lambda: 0.0, chance=lambda: 0.0)
    assert wishing.pause(ServerUnavailable("x", retry_after_seconds=3)) == 3.0
    assert wishing.pause(NotReached("x")) == 0.0


def troubles() -> list[errors.Unavailable]:
    """One of each class that a server can name."""
    return [
        kind("x") if kind in (errors.FilterFailed, errors.MiddlewareFailed) else kind("why not")
        for kind in errors.Unavailable.__subclasses__()
        if kind.__module__ == errors.__name__
    ]


@pytest.mark.parametrize("trouble", troubles(), ids=repr)
def test_trouble_behind_a_server_is_told_by_its_name(trouble: errors.Unavailable) -> None:
    """As within the process: class, words, attributes, and when to come back."""
    named = {"message": str(trouble), "code": type(trouble).__name__}
    with (
        Scripted([Say(503, named, {"Retry-After": "9"})]) as server,
        Client(server.url, patience=0) as client,
        pytest.raises(type(trouble)) as caught,
    ):
        client.get("mail", "t1")
    assert type(caught.value) is type(trouble)
    assert str(caught.value) == str(trouble)
    assert vars(caught.value) == {**vars(trouble), "retry_after_seconds": 9}


@pytest.mark.parametrize("code", ["FromTheFuture", 14, None, ["StoreUnavailable"]])
def test_trouble_without_a_known_name_is_the_server_s(code: object) -> None:
    """A proxy's, a newer server's, an original one's; the words are not lost."""
    with (
        Scripted([Say(503, {"message": "later", "code": code})]) as server,
        Client(server.url, patience=0) as client,
        pytest.raises(ServerUnavailable, match="later"),
    ):
        client.get("mail", "t1")


def test_only_what_is_not_known_to_have_been_done_is_in_doubt() -> None:
    """After a server's own doubt, that the task is there already says nothing of who made it."""
    doubt = Say(503, {"message": "who knows", "code": "OutcomeUnknown"})
    full = Say(503, {"message": "full", "code": "StoreUnavailable"})
    there = Say(409, {"message": "Task with Id [t1] already exists "})
    for first, expected in ((doubt, errors.OutcomeUnknown), (full, errors.TaskAlreadyExists)):
        with (
            Scripted([first, there]) as server,
            Client(server.url) as client,
            pytest.raises(expected, match="already exists"),
        ):
            client.create("mail", "send", id="t1")
        assert len(server.asked) == 2


def test_a_claim_of_which_the_server_knows_no_outcome_is_not_repeated() -> None:
    """It may hold tasks; one that was refused holds none."""
    doubt = Say(503, {"message": "who knows", "code": "OutcomeUnknown"})
    full = Say(503, {"message": "full", "code": "StoreUnavailable"})
    with (
        Scripted([full, doubt]) as server,
        Client(server.url) as client,
        pytest.raises(errors.OutcomeUnknown, match="who knows"),
    ):
        claim(client)
    assert len(server.asked) == 2


def test_a_veto_is_told_with_the_filter_that_made_it() -> None:
    """And is not taken for somebody else's task."""
    said = Say(403, {"message": str(errors.Vetoed("night", "not now"))})
    with (
        Scripted([said]) as server,
        Client(server.url) as client,
        pytest.raises(errors.Vetoed) as vetoed,
    ):
        client.done(HELD)
    assert (vetoed.value.filter, vetoed.value.reason) == ("night", "not now")


@pytest.mark.parametrize("alive", [NO_ROUTE, Say(500)], ids=["original", "broken"])
def test_many_creations_are_not_repeated_where_that_is_not_known_to_be_safe(alive: Say) -> None:
    """By the rule for one: only a server that is known to be ours makes one task of two requests."""
    with Scripted([Drop(), MADE], alive=alive) as server, Client(server.url) as client:
        outcomes = client.create_many([NewTask.of("mail", "send")] * 2)
    assert [type(each) for each in outcomes] == [AnswerLost] * 2
    assert len(server.asked) == 1
