"""Stories of the rules about money and the contract: overdue invoices, failing payments, notices, renewals."""

from __future__ import annotations

from typing import Any

from alerts.model import Phase, Reason
from scoring.times import DAY, iso
from tests.property.feeds import START
from tests.stories import said, story

RENEWAL = {"rungs": [120, 90, 60, 30], "bands": ["red", "amber"]}
SCORE = {"g": {"kind": "goal_progress", "value": 90}, "a": {"kind": "goal_progress", "value": 50}}
ATTRIBUTE = {"n": {"action": "churn_notice"}, "+": {"action": "updated", "auto_renew": True}, "-": {"action": "updated", "auto_renew": False}}  # fmt: skip


def renews(days: int, notice: int | None = None) -> dict[str, Any]:
    """An account event that tells when the contract renews, in days from the start of the story."""
    told = {"action": "updated", "renewal_date": iso(START + days * DAY)[:10]}
    return told if notice is None else told | {"notice_days": notice}


def test_invoice_overdue():
    """An invoice fires so many days after its due date, whoever else paid, and resolves when it is paid."""
    alerts = story({"invoice_overdue": {"days": 3}}, """
        invoice  i.jJ....p...
        alert    .....F..R...
    """, invoice={
        "i": {"action": "issued", "invoice_id": "I-1", "due_at": iso(START + 2 * DAY)},
        "j": {"action": "issued", "invoice_id": "I-2", "due_at": iso(START + 1 * DAY)},
        "J": {"action": "paid", "invoice_id": "I-2"},
        "p": {"action": "paid", "invoice_id": "I-1"},
    })  # fmt: skip
    assert said(alerts) == ["invoice I-1 was due on 2024-10-06, 3 days ago"]


def test_invoice_never_due():
    """An invoice without a due date, or a disputed one before it, is not overdue; one told to be late is."""
    story({"invoice_overdue": {"days": 3}}, """
        invoice  i..d....
        alert    ........
    """, invoice={"i": {"action": "issued", "invoice_id": "I"}, "d": {"action": "disputed", "invoice_id": "I"}})  # fmt: skip
    story({"invoice_overdue": {"days": 3}}, """
        invoice  i..o..v.
        alert    ...F..R.
    """, invoice={"i": {"action": "issued", "invoice_id": "I"}, "v": {"action": "voided", "invoice_id": "I"},
                  "o": {"action": "overdue", "invoice_id": "I", "days_late": 3}})  # fmt: skip


def test_payment_fails():
    """The second failed payment of an invoice fires, neither the first nor the third nor one of another invoice."""
    alerts = story({"payment_failure": {"attempts": 2}}, """
        invoice  f.e.f.f..p..f
        alert    ....F....R...
    """, invoice={
        "f": {"action": "payment_failed", "invoice_id": "I-7"}, "e": {"action": "payment_failed", "invoice_id": "I-8"},
        "p": {"action": "paid", "invoice_id": "I-7"},
    })  # fmt: skip
    assert said(alerts) == ["invoice I-7: 2 failed payments, the last on 2024-10-08"]
    assert len(alerts[0].evidence[0].events) == 2


def test_notice():
    """Notice fires once however often it is repeated; automatic renewal switched on again ends it, a later one counts anew."""
    alerts = story({"churn_notice": {}}, """
        account  r..n.n.+..n.
        alert    ...F...R..F.
    """, account=ATTRIBUTE | {"r": renews(100)})  # fmt: skip
    assert said(alerts) == ["notice given on 2024-10-07; the contract ends on 2025-01-12"]
    assert len({a.id for a in alerts}) == 2


def test_notice_and_the_end():
    """Notice resolves with the end of the account, for that reason, and does not come back with a new term."""
    alerts = story({"churn_notice": {}}, """
        account  .n....s..
        churn    ...c.....
        alert    .F.R.....
        band     iiieeeiii
    """, account=ATTRIBUTE | {"s": {"action": "signup"}}, churn={"c": {}})  # fmt: skip
    assert alerts[-1].reason is Reason.ACCOUNT_ENDED


def test_automatic_renewal():
    """Switching automatic renewal off fires, told off once more it does not; on again resolves it."""
    alerts = story({"auto_renew_off": {}}, """
        account  +..-.-.+..-.
        alert    ...F...R..F.
    """, account=ATTRIBUTE)  # fmt: skip
    assert said(alerts) == ["automatic renewal switched off on 2024-10-07"]
    assert alerts[0].evidence[0].events


def test_renewal_ladder():
    """Each rung before the deadline is told once; the deadline is the renewal less the notice."""
    with_notice = story({"renewal_approaching": RENEWAL}, """
        milestone  a.......................
        account    r.......................
        alert      ..F..+..+..+........R...
    """, milestone=SCORE, account={"r": renews(200, notice=60)}, step=10 * DAY, tick=DAY)  # fmt: skip
    assert said(with_notice) == [
        "renews on 2025-04-22, 60 days of notice: decide by 2025-02-21 (120 days left)"
    ]
    assert [a.episode for a in with_notice if a.phase is Phase.FIRING] == [
        f"2025-04-22/{n}" for n in (120, 90, 60, 30)
    ]
    without = story({"renewal_approaching": RENEWAL}, """
        milestone  a.......................
        account    r.......................
        alert      ........F..+..+..+..R...
    """, milestone=SCORE, account={"r": renews(200)}, step=10 * DAY, tick=DAY)  # fmt: skip
    assert said(without) == ["renews on 2025-04-22, 0 days of notice: decide by 2025-04-22 (120 days left)"]


def test_renewal_of_a_healthy_account():
    """A healthy account is told nothing; once it is amber it is told the current rung, and no rung twice."""
    story({"renewal_approaching": RENEWAL}, """
        milestone  g................ag.a.......................
        account    r...........................................
        alert      .................FR...F.................R...
    """, milestone=SCORE, account={"r": renews(200, notice=60)}, step=5 * DAY, tick=DAY)  # fmt: skip


def test_renewal_moves():
    """A renewal that is put off begins a new ladder; one date after the other, not both."""
    alerts = story({"renewal_approaching": RENEWAL}, """
        milestone  a..................
        account    r..R...............
        alert      F+.R......F..+..+..
    """, milestone=SCORE, account={"r": renews(100), "R": renews(220)}, step=10 * DAY, tick=DAY)  # fmt: skip
    assert [a.episode for a in alerts if a.phase is Phase.FIRING][:3] == [
        "2025-01-12/120",
        "2025-01-12/90",
        "2025-05-12/120",
    ]


def test_late_to_the_ladder():
    """An account known only after its deadline is told the lowest rung, once, until the renewal is past."""
    alerts = story({"renewal_approaching": RENEWAL}, """
        milestone  a.........
        account    .r........
        alert      .F......R.
    """, milestone=SCORE, account={"r": renews(8, notice=30)})  # fmt: skip
    assert said(alerts) == ["renews on 2024-10-12, 30 days of notice: decide by 2024-09-12 (23 days ago)"]
