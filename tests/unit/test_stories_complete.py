"""No rule without its story: the story modules are read, and every rule of the catalogue fires and ends in some drawing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from alerts.rules.catalogue import all_rules
from scoring.model import default_model

RULES = [rule.name for rule in all_rules(default_model())]
MODULES = sorted(path for path in Path(__file__).parent.glob("test_stories_*.py") if path != Path(__file__))
LANE = re.compile(r"^\s*(\S+)\s+([.FCR*+|]+)\s*$", re.MULTILINE)
Strings = Mapping[str, list[str]]


def texts(node: ast.AST) -> list[str]:
    """All strings in a piece of source; what an f-string computes stands as a dot."""
    if isinstance(node, ast.JoinedStr):
        return ["".join(part.value if isinstance(part, ast.Constant) else "." for part in node.values)]
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for child in ast.iter_child_nodes(node) for text in texts(child)]


def assigned(body: Iterable[ast.stmt]) -> dict[str, list[str]]:
    """Variable to the strings it is made of."""
    return {
        target.id: texts(line.value)
        for line in body
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name)
    }


def answers(source: str) -> dict[str, str]:
    """Rule to all that the stories that switch it on draw as its answer."""
    module, out = ast.parse(source).body, defaultdict(str)
    for test in (n for n in module if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")):
        decorated = [text for decorator in test.decorator_list for text in texts(decorator)]
        parameters = {argument.arg: decorated for argument in test.args.args}
        known = assigned(module) | assigned(test.body) | parameters
        for call in (n for n in ast.walk(test) if isinstance(n, ast.Call) and ast.unparse(n.func) == "story"):
            for rule in switched_on(call.args[0], known):
                lanes = [lane for text in texts(call.args[1]) for lane in LANE.findall(text)]
                out[rule] += "".join(steps for lane, steps in lanes if lane in {"alert", rule})
    return out


def switched_on(rules: ast.expr, known: Strings) -> list[str]:
    """The rules that the first argument of a story names, itself or in what it refers to."""
    referred = [text for n in ast.walk(rules) if isinstance(n, ast.Name) for text in known.get(n.id, ())]
    named = {*texts(rules), *referred}
    return [rule for rule in RULES if ("silence" if rule.startswith("silence_") else rule) in named]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_story(rule):
    """Some story draws when the rule fires, and when it is over."""
    told = "".join(answers(module.read_text("utf-8"))[rule] for module in MODULES)
    assert re.search("[F*+]", told), "no story draws how it fires"
    assert re.search("[R*+]", told), "no story draws how it ends"


def test_only_what_is_drawn_counts():
    """A story that switches a rule on and draws no answer of it does not count, nor does one that draws another's."""
    source = '''
DECLINED = {"feature_declined": {}}
@pytest.mark.parametrize("rule", ["no_value", "detractor"])
def test_some(rule):
    """A complaint."""
    story({rule: {"days": 5}}, f"""
        ticket  x{"." * 3}
        alert   F{"." * 2}R
    """, ticket={"x": {"complaint": True}})
    story(DECLINED, """
        milestone  x...
        upsell     F...
    """)
'''
    told = answers(source)
    assert told == {"no_value": "F.R", "detractor": "F.R", "feature_declined": ""}
