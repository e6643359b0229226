"""`beeline explain`: the tables as people see them."""

import json
from collections.abc import Iterator

import pytest
from rich.console import Console, Group

from adapters.error_tables.explanation import WORKER, find, meanings
from adapters.errors import Landed
from adapters.venues import discover
from tests.commands.cli import beeline
from worker.cli import Exit
from worker.commands.explaining import _blocks, _overview, reaction

ALL = meanings({name: venue.error_table for name, venue in sorted(discover().items())})


def documents(*arguments: str) -> list[dict[str, object]]:
    done = beeline("explain", "--json", *arguments)
    assert done.exit_code == Exit.DONE, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def drawn(query: str, width: int) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(Group(*_blocks(find(query, ALL))))
    return captured.get()


def test_a_bare_minus_is_a_number() -> None:
    assert {document["code"] for document in documents("-1022")} == {"invalid_signature", "key_not_permitted"}
    assert documents("-1022", "--venue", "binance") == documents("--venue", "binance", "-1022")
    assert documents("-1022") == documents("--", "-1022")


def test_words_need_no_quotes() -> None:
    assert documents("Filter", "failure:", "LOT_SIZE") == documents("Filter failure: LOT_SIZE")


def test_a_venue_narrows_it_down() -> None:
    (document,) = documents("-2013", "--venue", "bitrue")
    assert document["where"] == ["bitrue"]
    assert document["landed"] == Landed.UNKNOWN
    assert {document["http_status"] for document in documents("429", "--venue", "bitrue")} == {429}


def test_the_whole_body_of_a_reply_can_be_pasted() -> None:
    (document,) = documents('{"code":-2010,"msg":"Market is closed."}', "--venue", "binance")
    assert (document["code"], document["retryable"]) == ("market_closed", True)


def test_everything_is_listed_once() -> None:
    found = documents("--all")
    assert len(found) > 400
    assert len({json.dumps(document, sort_keys=True) for document in found}) == len(found)
    assert {"signal_expired", "unmapped_error", "reply_timeout", "ip_banned"} <= {
        str(document["code"]) for document in found
    }


def test_an_unknown_error_is_met_with_suggestions() -> None:
    done = beeline("explain", "signal_expird")
    assert done.exit_code == Exit.FAILED
    assert "no error is known as signal_expird" in done.stderr
    assert "signal_expired" in done.stderr
    assert done.stdout == ""
    nothing = beeline("explain", "qqqqqqqqqqqqqqqq", "--venue", "binance")
    assert nothing.exit_code == Exit.FAILED
    assert "at binance" in nothing.stderr
    assert "--all" in nothing.stderr


def test_an_error_of_another_venue_is_not_met_with_guesses() -> None:
    done = beeline("explain", "-4164", "--venue", "binance")
    assert done.exit_code == Exit.FAILED
    assert "It is known elsewhere" in done.stderr
    assert "binance_usdm: Order's notional" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name an error"),
        (("--all", "-1022"), "name an error"),
        (("--jsn", "-1022"), "there is no option --jsn"),
        (("-1022", "--venue", "nowhere"), "there are binance"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    done = beeline("explain", *arguments)
    assert done.exit_code == Exit.USAGE
    assert said in done.stderr


def lines(text: str) -> Iterator[str]:
    return (line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("width", [60, 80, 140])
def test_it_fits_the_terminal_and_says_the_five_things(width: int) -> None:
    text = drawn("-2015", width)
    assert max(map(len, lines(text))) <= min(width, 120)
    for label in ("said by", "what to do", "who acts", "landed", "reaches", "Beeline"):
        assert label in text


def test_the_whole_list_fits_eighty_columns() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(_overview(ALL))
    assert max(map(len, lines(captured.get()))) <= 80


def test_what_beeline_does_is_said_of_every_error() -> None:
    for meaning in ALL:
        says = reaction(meaning.entry, is_own=WORKER in meaning.where)
        asks = "sends nothing again before" in says or "goes on asking" in says
        assert asks is (meaning.entry.landed is Landed.UNKNOWN) or meaning.entry.landed is Landed.YES
        assert ("quarantines" in says) is meaning.entry.quarantines
