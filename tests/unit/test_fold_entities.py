"""Tickets, invoices, surveys and accounts: registers that merge, counted once each, remembered as long as they may matter."""

import numpy as np
import pytest

from scoring.facts import Facts
from scoring.fold import invoices, tickets
from scoring.layout import MISSING
from scoring.tail import CLOSED, OPENED, PAID, Tail
from scoring.times import DAY, HOUR, UNSET, iso
from tests.property.feeds import START, event, tell


def ticket(at, action, ticket_id="T", **fields):
    return event("ticket", START + at, action=action, ticket_id=ticket_id, **fields)


def invoice(at, action, **fields):
    return event("invoice", START + at, action=action, invoice_id="I", **fields)


def told(*events, until=DAY):
    partition = tell(events, START + until)
    return (
        partition.store,
        partition.store.tails.get(0, Tail()),
        Facts(partition.store, np.array([0]), START + until - 1),
    )


def test_ticket_closed_before_it_was_opened():
    """Events of a ticket may come in any order: the newest state stands, and it is counted on the day it was opened."""
    store, tail, facts = told(ticket(5 * HOUR, "closed"), ticket(HOUR, "opened", priority="urgent"))
    assert (tail.tickets["T"].state, tail.tickets["T"].opened) == (CLOSED, START + HOUR)
    assert int(facts.window("tickets", 1)[0]) == 1
    assert store.hot["urgent_since"][0] == UNSET


def test_ties_go_to_the_higher_rank():
    """Of two states at the same millisecond the later step stands: a ticket opened and closed at once is closed, an invoice is paid."""
    _, tail, _ = told(ticket(1, "closed"), ticket(1, "opened"), invoice(1, "paid"), invoice(1, "overdue"))
    assert (tail.tickets["T"].state, tail.invoices["I"].status) == (CLOSED, PAID)


def test_reopened_and_complaints():
    """Each reopening counts by its time, a complaint once per ticket at its earliest time, an urgent ticket waits since it was opened."""
    events = [
        ticket(0, "opened"),
        ticket(HOUR, "closed"),
        ticket(2 * HOUR, "reopened", priority="critical", complaint=True),
    ]
    store, tail, facts = told(
        *events, ticket(2 * HOUR, "reopened"), ticket(3 * HOUR, "updated", complaint=True)
    )
    assert [int(facts.window(ring, 1)[0]) for ring in ("reopens", "complaints")] == [1, 1]
    assert tail.tickets["T"].complaint == START + 2 * HOUR
    assert store.hot["urgent_since"][0] == START


def test_an_event_that_tells_nothing_new():
    """A ticket event that changes nothing is a duplicate, and moves only what was last seen."""
    partition = tell([ticket(0, "opened", priority="low"), ticket(5, "updated")], START + DAY)
    assert dict(partition.context.totals.events) == {("tickets", "applied"): 1, ("tickets", "duplicate"): 1}
    assert partition.store.hot["last_seen"][0, 1] == START + 5


@pytest.mark.parametrize(
    ("due", "paid", "late"),
    [
        ({"due_at": "2024-10-04T00:00:00Z"}, DAY, 1),
        ({"due_at": "2024-10-04T00:00:00Z"}, DAY - 1, 0),
        ({"days_late": 1}, HOUR, 1),
        ({}, HOUR, 0),
    ],
)
def test_paid_late(due, paid, late):
    """An invoice is paid late a whole day after it was due; without a due date, if its producer says how many days late."""
    _, tail, facts = told(invoice(0, "issued", **due), invoice(paid, "paid"), until=3 * DAY)
    assert int(facts.window("late", 2)[0]) == late
    assert not tail.invoices["I"].is_open


def test_overdue_without_a_due_date():
    """An overdue notice dates the due time by its days late; paying the invoice ends it."""
    store, _, _ = told(invoice(0, "overdue", days_late=10))
    assert store.hot["oldest_due"][0] == START - 10 * DAY
    store, _, facts = told(
        invoice(0, "overdue", days_late=10),
        invoice(1, "payment_failed"),
        invoice(2, "payment_failed"),
        invoice(3, "paid"),
    )
    assert store.hot["oldest_due"][0] == UNSET
    assert int(facts.window("failures", 1)[0]) == 2


def test_newest_answer_of_each_respondent():
    """A respondent has one voice, the newest; of more than 32 the newest answers are kept."""
    again = [event("survey", START + t, kind="nps", score=s, respondent_id="r") for t, s in [(2, 10), (1, 0)]]
    store, _, _ = told(*again, event("survey", START, kind="nps", score=0, respondent_id="other"))
    assert (store.hot["survey_n"][0, 0], store.hot["survey_mean"][0, 0], store.hot["survey_ts"][0, 0]) == (
        2,
        50_000,
        START + 2,
    )
    many = [
        event("survey", START + n, kind="csat", score=1 if n < 8 else 5, respondent_id=str(n))
        for n in range(40)
    ]
    store, tail, _ = told(*many)
    assert len(tail.surveys["csat"]) == 32
    assert store.hot["survey_mean"][0, 1] == 100_000


def test_forgetting():
    """Closed tickets and answers are forgotten after 128 days at the first tick of a day; open tickets are not."""
    events = [
        ticket(0, "opened", "open"),
        ticket(0, "closed", "closed"),
        event("survey", START, kind="nps", score=9),
    ]
    for days, remembered in [(127, {"open", "closed"}), (129, {"open"})]:
        store, tail, _ = told(*events, until=days * DAY + 1)
        assert set(tail.tickets) == remembered
        assert store.hot["survey_n"][0, 0] == len(remembered) - 1
        assert tail.tickets["open"].state == OPENED


def test_attributes():
    """Each attribute has its newest value by event time; what an event does not name stays."""
    events = [
        event("account", START + 2, action="updated", seats=5, owner="ana"),
        event("account", START + 1, action="updated", seats=9, plan="pro"),
    ]
    store, tail, _ = told(*events)
    assert {name: value for name, (_, value) in tail.attributes.items()} == {
        "seats": 5,
        "owner": "ana",
        "plan": "pro",
    }
    assert store.hot["seats"][0] == 5
    assert store.hot["tier"][0] == MISSING


def test_mrr_by_month():
    """A month without news has the MRR of the month before, in minor units of the currency; growth is measured against twelve months ago."""
    events = [
        event("account", START - 400 * DAY, action="signup", mrr=100),
        event("account", START, action="updated", mrr=150.5),
    ]
    _, _, facts = told(*events)
    assert (int(facts.mrr[0]), int(facts.mrr_base()[0]), int(facts.mrr_at(1)[0])) == (15_050, 10_000, 10_000)
    _, _, yen = told(event("account", START, action="signup", mrr=100, currency="JPY"))
    assert int(yen.mrr[0]) == 100


@pytest.mark.parametrize("kind", ["tickets", "invoices"])
def test_open_ones_are_looked_through_only_if_the_smallest_goes(kind, monkeypatch):
    """What is opened, and what is closed but the first, leaves the other open tickets and invoices of the account alone."""
    module, name = {"tickets": (tickets, "_derive_urgent"), "invoices": (invoices, "derive")}[kind]
    looked, derive = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda store, row: (looked.append(row), derive(store, row)))
    opened, closed, column = {
        "tickets": (lambda i: ticket(i, "opened", f"T-{i}", priority="urgent"), "closed", "urgent_since"),
        "invoices": (lambda i: numbered(i, i, "issued", due_at=iso(START + i)), "paid", "oldest_due"),
    }[kind]

    def close(i):
        return ticket(HOUR, closed, f"T-{i}") if kind == "tickets" else numbered(i, HOUR, closed)

    store, _, _ = told(*map(opened, range(9)), *map(close, range(1, 8)))
    assert looked == []
    assert store.hot[column][0] == START
    store, _, _ = told(*map(opened, range(9)), *map(close, range(8)))
    assert len(looked) == 1
    assert store.hot[column][0] == START + 8


def numbered(i, at, action, **fields):
    return event("invoice", START + at, action=action, invoice_id=f"I-{i}", **fields)
