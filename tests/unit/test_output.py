"""What commands print when nobody sits at a terminal."""

from streams.cli.output import complain, emit_table


def test_a_table_is_one_line_a_row(capsys):
    """Without a terminal a row is one line, however long, and control characters from events are shown, not sent."""
    emit_table(
        ("topic", "value"), [{"topic": "accountpulse.usage", "value": "x" * 300}, {"topic": "a\x1b[2J"}]
    )
    header, long, hostile = capsys.readouterr().out.splitlines()
    assert header.split() == ["topic", "value"]
    assert long.split() == ["accountpulse.usage", "x" * 300]
    assert hostile == r"a\x1b[2J"


def test_nothing_is_said(capsys):
    """An empty table is told in words, and a complaint is one line on stderr."""
    emit_table(("topic",), [], empty="all is well")
    complain("one\ntwo")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("all is well\n", "accountpulse: one\\ntwo\n")
