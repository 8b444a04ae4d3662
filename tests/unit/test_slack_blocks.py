"""Slack messages: what they say, Slack's limits, and hostile input."""

import string
from unicodedata import category

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import slack_blocks
from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity
from alerts.slack_text import cut, harmless, mrkdwn, size
from tests.slack_server import POST_TEXT, UPDATE_TEXT, active, all_blocks, texts_of, unescaped, validate

NOON = 1_767_268_800_000
ATTRIBUTES = {
    "name": "Quarry & Finch", "tier": "high_touch", "mrr": 480_000, "currency": "EUR", "owner": "dana@example.com",
    "csm": "lee@example.com", "renewal_date": "2026-03-01",
}  # fmt: skip


def make(**changes) -> Alert:
    values = {
        "id": "ab" * 16, "phase": Phase.FIRING, "rule": "band_entered", "kind": Kind.RISK,
        "severity": Severity.CRITICAL, "reason": Reason.CONDITION_MET, "account_id": "acc_0017", "term": 0,
        "episode": "1", "at": NOON, "tick": NOON, "score": 35_290, "band": "red", "previous_band": "amber",
        "coverage": 870, "velocity_7d": -1650, "velocity_28d": -4130,
        "evidence": [Evidence("red since yesterday"), Evidence("ticket T-9001 is urgent", ["t1"])],
        "drivers": [
            Evidence("product usage down to 0 of 100: last used on 2025-12-12", ["u_1"]),
            Evidence("support down to 12 of 100: ticket T-9002 opened (complaint), ticket T-9001 opened (urgent)", ["t2", "t1"]),
        ],
        "history": [None, 10_000, 5_000, None, 0], "play": "Call today.", "attributes": ATTRIBUTES, "model": "9f3c1a",
    }  # fmt: skip
    return Alert(**(values | changes))


def body(content: slack_blocks.Content) -> dict:
    return {"text": content.text, "blocks": content.blocks, "attachments": content.attachments}


def shown(content: slack_blocks.Content) -> list[str]:
    texts = [text["text"] for block in all_blocks(body(content)) for text in texts_of(block)]
    return [line for text in texts for line in unescaped(text).split("\n")]


def test_single():
    """One alert reads as headline, facts of the account, reasons in words, next step, and all ids once in small print."""
    assert shown(slack_blocks.single(make())) == [
        "Critical: Quarry & Finch turned red",
        "*Tier*", "high touch", "*MRR*", "4,800.00 EUR", "*Renewal*", "2026-03-01 (in 59 days)",
        "*Owner*", "dana@example.com", "*CSM*", "lee@example.com",
        "*Score*", "35.2 of 100 █▅·▁", "*Change*", "-16.5 in 7 days, -41.3 in 28 days", "*Band*", "red, was amber",
        "*Why*", "• red since yesterday", "• ticket T-9001 is urgent",
        "*What costs it most*", "• product usage down to 0 of 100: last used on 2025-12-12",
        "• support down to 12 of 100: ticket T-9002 opened (complaint), ticket T-9001 opened (urgent)",
        "*Next step*", "Call today.",
        "2026-01-01 12:00 UTC · account acc_0017 · evidence for 87 % of the score · alert " + "ab" * 16 + " · model 9f3c1a",
        "events t1, u_1, t2",
    ]  # fmt: skip


def test_resolved_has_no_next_step():
    """A resolved alert says so and asks for nothing."""
    lines = shown(slack_blocks.single(make(phase=Phase.RESOLVED, band="amber", previous_band="red")))
    assert lines[0] == "Resolved: Quarry & Finch is amber again"
    assert "*Next step*" not in lines


def test_previous_band_only_where_it_matters():
    """The band before is told when the band is the news, not beside everything else."""
    told = {
        case: shown(slack_blocks.single(make(**case_changes)))
        for case, case_changes in {
            "entered": {},
            "complaint": {"rule": "complaint"},
            "changed": {"rule": "rapid_drop", "revision": 1},
        }.items()
    }
    assert {case: "red, was amber" in lines for case, lines in told.items()} == {
        "entered": True, "complaint": False, "changed": True,
    }  # fmt: skip


def test_unknown_facts_are_left_out():
    """What is not known is not shown, but that there is no score is."""
    lines = shown(
        slack_blocks.single(
            make(
                attributes={}, score=None, velocity_7d=None, velocity_28d=None, history=[], previous_band=None
            )
        )
    )
    assert lines[:5] == ["Critical: acc_0017 turned red", "*Score*", "not scored", "*Band*", "red"]


@pytest.mark.parametrize(("told", "text"), [("2025-12-30", "2025-12-30 (2 days ago)"), ("soon", "soon")])
def test_renewal(told, text):
    """A renewal date tells how far away it is; what is no date is shown as it is."""
    assert text in shown(slack_blocks.single(make(attributes={"renewal_date": told})))


def test_colour_follows_severity():
    """Each severity has a colour of its own, and so has what is over."""
    colours = [slack_blocks.single(make(severity=s)).attachments[0]["color"] for s in Severity]
    colours.append(slack_blocks.single(make(phase=Phase.RESOLVED)).attachments[0]["color"])
    assert len(set(colours)) == 4


def test_group_has_a_line_per_account():
    """A group has one line for each account, the most severe first, with all that happened to it."""
    alerts = [
        make(
            account_id="b",
            rule="complaint",
            severity=Severity.WARNING,
            attributes={"name": "Beta", "owner": "dana"},
        ),
        make(account_id="a", attributes={"name": "Alpha", "mrr": 100_00, "currency": "EUR", "owner": "dana"}),
        make(
            account_id="b",
            rule="rapid_drop",
            severity=Severity.WARNING,
            attributes={"name": "Beta", "owner": "dana"},
        ),
    ]
    content = slack_blocks.group(alerts)
    assert shown(content)[:3] == [
        "3 alerts in 2 accounts (dana)",
        "• *Alpha* critical: turned red — 35.2 points, MRR 100.00 EUR",
        "• *Beta* warning: has an open complaint; loses points fast — 35.2 points",
    ]
    assert content.attachments[0]["color"] == slack_blocks.single(alerts[1]).attachments[0]["color"]


NASTY = st.sampled_from([
    "<!channel>", "<!here|x>", "<@U012345>", "<#C01|x>", "<https://evil.example|ok>", "https://evil.example",
    "<mailto:a@b|c>", "&lt;!channel&gt;", "*bold*", "_it_", "~s~", "`code`", "```", "\n> quote", "\r\n", "\u202e",
    "\u2066", "\u200b", "\x1b[31m", "\x00", ":fire:", ":+1:", "@channel", "@Here", "&", "&amp;", "\ud800", "𝕏", "·",
])  # fmt: skip
TEXT = st.lists(NASTY | st.text(max_size=9) | st.text("*_~`<>&|!@#: ", max_size=5), max_size=4).map("".join)
LONG = st.builds(lambda text, n: text * n, TEXT, st.sampled_from([1, 1, 30, 100]))
EVIDENCE = st.lists(st.builds(Evidence, LONG, st.lists(TEXT, max_size=4)), max_size=3)
ALERTS = st.builds(
    make,
    id=TEXT, account_id=LONG, rule=TEXT | st.just("band_entered"), phase=st.sampled_from([Phase.FIRING, Phase.RESOLVED]),
    severity=st.sampled_from(Severity), kind=st.sampled_from(Kind), reason=st.sampled_from(Reason), band=TEXT,
    previous_band=TEXT | st.none(), score=st.none() | st.integers(0, 100_000), evidence=EVIDENCE, drivers=EVIDENCE,
    velocity_7d=st.none() | st.integers(-10_000, 10_000), play=LONG, model=TEXT,
    history=st.lists(st.none() | st.integers(0, 10_000), max_size=3),
    at=st.integers(0, 4_000_000_000_000), tick=st.integers(0, 4_000_000_000_000),
    attributes=st.fixed_dictionaries({}, optional={
        "name": LONG, "tier": TEXT, "mrr": st.integers() | TEXT, "currency": TEXT, "owner": LONG, "csm": LONG,
        "renewal_date": TEXT | st.dates().map(str),
    }),
)  # fmt: skip


def assert_harmless(content: slack_blocks.Content) -> None:
    validate(body(content), UPDATE_TEXT)
    validate({"text": content.plain}, UPDATE_TEXT)
    texts = [text for block in all_blocks(body(content)) for text in texts_of(block)]
    for text in [*texts, {"type": "mrkdwn", "text": content.text}, {"type": "mrkdwn", "text": content.plain}]:
        said = text["text"]
        assert active(said) == []
        assert "<" not in said
        assert ">" not in said
        assert not any(
            category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in said.replace("\n", "")
        )
        if text["type"] == "mrkdwn":
            assert_no_markup(said)


def assert_no_markup(said: str) -> None:
    """Only our own bold labels format, and every `&` is part of an escaped one."""
    assert said.replace("&amp;", "").count("&") == 0
    assert not set("`~") & set(said)
    for line in said.split("\n"):
        own = line.startswith(("*", "• *"))
        assert line.count("*") in ({0, 1, 2} if own else {0})
        for before, char, after in zip(f" {line}", line, f"{line[1:]} ", strict=False):
            if char == "_":  # only inside a word, where it does not format
                assert {before, after} <= {*string.ascii_letters, *string.digits}


@pytest.mark.parametrize("name", ["@Here`code`" * 30, "@hereby" * 80, "@channels" * 60])
def test_cutting_uncovers_no_mention(name):
    """A mention of everybody that stands alone only where the text is cut notifies nobody."""
    for text in (harmless(name, 300), *(cut(harmless(name, 300), limit) for limit in range(5, 40))):
        assert active(text) == []


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ALERTS)
def test_hostile_single(alert):
    """Whatever an alert holds, its message is valid by Slack's limits and nothing in it formats, links or notifies."""
    assert_harmless(slack_blocks.single(alert, note=alert.play))
    reply = slack_blocks.reply(alert)
    assert active(reply.text) == []
    assert_no_markup(reply.text)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(ALERTS, min_size=2, max_size=4))
def test_hostile_group(alerts):
    """The same holds for a group of alerts."""
    assert_harmless(slack_blocks.group(alerts))


def test_longest_message_fits():
    """The longest message of one alert and of a whole group stay within every limit of Slack."""
    attributes = dict.fromkeys(ATTRIBUTES, "&𝕏" * 2_000)
    many = [Evidence("&𝕏" * 2_000, ["&" * 500] * 9)] * 9
    big = make(
        attributes=attributes, evidence=many, drivers=many[:1] * 2, play="&" * 9_000, account_id="&" * 999
    )
    validate(body(slack_blocks.single(big, note="&" * 9_000)), POST_TEXT)
    alerts = [make(account_id=str(n), attributes=attributes) for n in range(slack_blocks.GROUP)]
    validate(body(slack_blocks.group(alerts)), POST_TEXT)


@given(TEXT, st.integers(1, 40))
def test_cut(text, limit):
    """A cut text is within its limit and holds no half of an escaped character."""
    kept = cut(mrkdwn(text), limit)
    assert size(kept) <= limit
    assert kept.replace("&amp;", "").count("&") == 0


@pytest.mark.parametrize(
    "text", ["acc_0017", "a_b_c", "dana.smith@example.com", "12:30:00", "2026-11-12T12:00:00Z", "R&D: 3 of 4"]
)
def test_harmless_text_stays(text):
    """Ids, addresses and times can be copied from a message."""
    assert harmless(text) == unescaped(mrkdwn(text)) == text
