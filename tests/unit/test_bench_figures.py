"""How a run of benchmarks is judged, reported and planned from."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from bench import parts, plot, scale
from bench.catalogue import CATALOGUE, PARTS, PEERS, Spec
from bench.figures import Figures
from bench.jobs import results
from bench.observed import LAG_BINS, Board, Snapshot
from bench.peers import toy
from bench.peers.own import Context, ToyPartition, decode_row
from bench.report import machine_line, peers_table, placed, product_table
from bench.scenarios import SCENARIOS, chosen, deadline, perform, unmeasured
from bench.skew import skew, takeover
from bench.workers import quantile
from streams.records import One, Records
from streams.table import Partition as Protocol

ROOT = Path(__file__).parents[2]


def test_bars():
    """A figure meets a lower bar at or above it and an upper one at or below it; without a bar it always does."""
    assert [Spec("s", "u", 10).meets(v) for v in (9.9, 10, 11)] == [False, True, True]
    assert [Spec("s", "u", 10, most=True).meets(v) for v in (9.9, 10, 11)] == [True, True, False]
    assert Spec("s", "u").meets(-1)


def test_every_figure_is_measured():
    """Each figure of the catalogue belongs to a scenario of the run, and each scenario gives one."""
    assert unmeasured() == set()
    assert {spec.scenario for spec in CATALOGUE.values()} == set(SCENARIOS)


def test_unknown_figures_are_refused():
    """A name that is not in the catalogue is an error, not another row."""
    with pytest.raises(KeyError):
        Figures().add({"speed": 1.0})


def test_derived_figures():
    """Ratios are made of two figures of the same run, and only if both are there."""
    figures = Figures()
    figures.add({"steady, 5 k accounts: CPU": 4.0, "raw client, whole batches and decode": 1.0})
    figures.add({"toy job, our transport: CPU": 2.0, "toy job, Flink: CPU": 3.0})
    figures.derive()
    assert figures.values["steady, 5 k accounts: of the raw client"] == 25
    assert figures.values["toy job, ours against Flink"] == 1.5
    assert "toy job, ours against Bytewax" not in figures.values


def test_failed_scenario_has_no_figures(tmp_path):
    """A scenario that failed leaves the reason in place of every figure, also of those it had given; the file has the stated form."""
    figures = Figures()
    figures.add({"steady, 5 k accounts": 1e6, "raw client, whole batches": 0.5})
    figures.miss("steady-5k", "WrongResultError: 3 accounts differ")
    figures.write(tmp_path / "r.json")
    result = json.loads((tmp_path / "r.json").read_text())
    assert set(result) == {"machine", "versions", "load", "figures"}
    lost = result["figures"]["steady, 5 k accounts"]
    assert (lost["value"], lost["ok"]) == (None, False)
    assert "3 accounts differ" in lost["note"]
    assert result["figures"]["raw client, whole batches"] == {
        "value": 0.5, "unit": "us/event", "bar": None, "ok": True,
    }  # fmt: skip


def test_parts_of_the_engine(monkeypatch):
    """Each part has a cost, with and without a past; if an event did not count, there are no figures."""
    for past in (False, True):
        costs = parts.run(60, 400, 200, past=past)
        assert list(costs) == list(PARTS)
        assert all(cost > 0 for cost in costs.values()), costs
    monkeypatch.setattr(parts.Engines, "tick", lambda engines, now: engines.partitions.pop())
    with pytest.raises(RuntimeError, match="of 600 events were folded"):
        parts.run(60, 400, 200, past=False)


def test_scenario_that_hangs_is_given_up(monkeypatch):
    """A scenario that exceeds its deadline is ended, its figures say so, and the run goes on."""

    class World:
        figures = Figures()

    def hang(world) -> None:
        while True:
            pass

    monkeypatch.setitem(SCENARIOS, "raw", SCENARIOS["raw"]._replace(run=hang, deadline_s=0.2))
    perform(World(), "raw", lambda _: None)
    assert "given up after" in World.figures.notes["raw client, whole batches"]


def test_deadline_is_taken_back():
    """After a scenario that was in time nothing strikes any more."""
    import signal  # noqa: PLC0415

    with deadline(5):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_choosing():
    """`--only` takes names and beginnings of names, in the order of the run; a name that fits none is refused."""
    assert chosen(["tick", "raw"]) == ["raw", "tick"]
    assert chosen(["steady-1m"]) == ["steady-1m-zipf", "steady-1m-uniform"]
    assert chosen([]) == list(SCENARIOS)
    with pytest.raises(ValueError, match="no scenario"):
        chosen(["flnk"])


def test_board(tmp_path):
    """What an observer writes is read whole by another process's view of the file, and delays are counted by the millisecond."""
    writer = Board(tmp_path / "b", create=True)
    reader = Board(tmp_path / "b")
    told = Snapshot(*range(1, len(Snapshot._fields) + 1))
    writer.write(told, 0.0125)
    writer.write(told, 99.0)
    assert reader.read() == told
    assert (reader.lags()[12], reader.lags()[LAG_BINS - 1], reader.lags().sum()) == (1, 1, 2)


def test_quantile():
    """A share of all delays is read off the histogram; the greatest is the last bin with a count."""
    counts = np.zeros(100)
    counts[[1, 50]] = [99, 1]
    assert (quantile(counts, 0.99), quantile(counts, 1), quantile(np.zeros(9), 1)) == (2, 51, 0)


def test_results_of_a_job():
    """Of what a job prints only the lines with figures count, whatever its libraries log."""
    text = '{"event": "a log line"}\n{broken\nWARN\n{"us": 1.5}\n{"error": "too few"}\n'
    assert results(text) == [{"us": 1.5}, {"error": "too few"}]


def test_toy_job_is_one_job():
    """Our partition and the fold of the other Python systems make the same of the same events; a replay changes nothing."""
    from bench.load import Fleet, Generator, Load  # noqa: PLC0415

    context, plain = Context(), {}
    partition, batched = ToyPartition(0, context), ToyPartition(0, Context())
    load = Load(3_000, 20, 1_770_000_000_000, 0.02)
    offsets: Counter[int] = Counter()
    for block in Generator(load, Fleet(20, 1)).blocks(500):
        batch: dict[int, list[One]] = defaultdict(list)
        for source, key, value in zip(block.sources.tolist(), block.keys, block.values, strict=True):
            record = One(offsets[source], 0, key, value)
            offsets[source] += 1
            batch[source].append(record)
            partition.feed(source, Records.of([record]))
            partition.feed(source, Records.of([record]))
            event = toy.decode(value)
            plain[key] = toy.add(plain.get(key), toy.hour(event.ts), event.quantity)
        for source, records in batch.items():
            batched.feed(source, Records.of(records))
            batched.feed(source, Records.of(records[len(records) // 2 :]))
    assert context.totals.events.total() == 6_000
    names = ("events", "units", "head", "buckets", "score")
    for one in (partition, batched):
        rows = {key: decode_row(value) for block in one.row_blocks() for key, value in block}
        assert {key: {name: row[name].tolist() for name in names} for key, row in rows.items()} == plain


def test_toy_partition_is_one():
    """Our toy partition has everything that the worker asks of a partition."""
    wanted = {name for name in vars(Protocol) if not name.startswith("_")}
    assert {name for name in wanted if not hasattr(ToyPartition(0, Context()), name)} == set()


def measured() -> dict[str, dict[str, object]]:
    figures = Figures()
    figures.add({name: 1000.0 if spec.unit == "MB" else 2.5 for name, spec in CATALOGUE.items()})
    figures.add({"memory, 5 k accounts": 300, "memory, 1 M accounts": 4_300, "state row, mean": 3_000})
    figures.add({"recovery: rows into live state": 250_000, "changelog, 100 k accounts, uniform": 400})
    figures.miss("peer-quix", "JobError: its environment cannot be made: no network")
    return figures.judged()


def test_report_tables():
    """The tables show every figure with its bar and verdict, the peers by their cost, and why one is missing."""
    figures = measured()
    table = product_table(figures)
    assert "| steady, 5 k accounts | 2.5 | events/s and core | at least 380,000 | **missed** |" in table
    peers = peers_table(figures)
    assert (
        "| Quix Streams | not measured: JobError: its environment cannot be made: no network | | | |" in peers
    )
    assert all(name in peers for name in PEERS.values())


def test_report_replaces_only_between_markers():
    """What a person wrote stays, what stood between the markers goes, and a page without them is refused."""
    page = "before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n"
    assert placed(page, "results", "new\n") == page.replace("old", "new")
    with pytest.raises(ValueError, match="markers"):
        placed("no markers", "results", "new\n")


def test_pages_have_their_markers():
    """The report of any run can be written into the pages as they are."""
    for page, names in (("bench/README.md", ("machine", "results", "peers")), ("docs/scale.md", ("plan",))):
        text = (ROOT / page).read_text("utf-8")
        for name in names:
            assert placed(text, name, "x\n")


def test_pages_show_the_last_run():
    """What the pages and the plot show is what results/latest.json says."""
    result = json.loads((ROOT / "bench/results/latest.json").read_text("utf-8"))
    figures = result["figures"]
    readme = (ROOT / "bench/README.md").read_text("utf-8")
    for name, text in (("machine", machine_line(result)), ("results", product_table(figures)), ("peers", peers_table(figures))):  # fmt: skip
        assert placed(readme, name, text) == readme, "run python -m bench.report"
    page = (ROOT / "docs/scale.md").read_text("utf-8")
    assert placed(page, "plan", scale.table(figures)) == page
    assert (ROOT / "docs/images/bench-cost.svg").read_text("utf-8") == plot.draw(figures)


def test_plot_scale():
    """The highest bar of a panel ends below its title, and what was not measured says so."""
    svg = plot.draw({plot.ACCOUNTS[0][1]: {"value": 7.3}})
    assert ">7.30<" in svg
    assert svg.count("not measured") == len(plot.ACCOUNTS) + len(plot.WORKERS) - 1


def test_skew_of_many_equal_accounts_is_small():
    """Many accounts alike spread evenly; fewer of them spread worse, and partitions never sum to more than everything."""
    many, few = skew(1_000_000, 32, zipf=False), skew(2_000, 32, zipf=False)
    assert 1 <= many.busiest < 1.02 < few.busiest < 2


def test_skew_by_zipf_is_that_of_the_busiest_account():
    """With skewed accounts the busiest partition has at least the busiest account, and more partitions make that worse."""
    small, large = skew(100_000, 8), skew(100_000, 64)
    assert small.busiest >= max(1, small.one_account)
    assert large.busiest > small.busiest
    assert large.one_account == pytest.approx(8 * small.one_account)


def test_skew_is_the_same_for_the_same_seed():
    """A seed gives the same figures again, another one others."""
    assert skew(50_000, 16, seed=3) == skew(50_000, 16, seed=3)
    assert skew(50_000, 16, seed=3).busiest != skew(50_000, 16, seed=4).busiest


def test_takeover_time():
    """What a survivor has to recover falls with the number of workers; two workers hand over half of everything to one."""
    two = takeover(1_000_000, 64, 2, rows_per_s=200_000, fixed_s=3)
    many = takeover(1_000_000, 64, 16, rows_per_s=200_000, fixed_s=3)
    assert two.rows == pytest.approx(500_000, rel=0.02)
    assert two.seconds == pytest.approx(3 + two.rows / 200_000)
    assert many.rows < two.rows / 10
    with pytest.raises(ValueError, match="partition for each"):
        takeover(10, 4, 8, rows_per_s=1, fixed_s=0)


def test_plan_grows_with_size():
    """More accounts need more memory and workers, enough partitions for all of them, and the first bottleneck is named."""
    found = scale.units(measured())
    plans = [scale.plan(accounts, rate, found) for accounts, rate in scale.SIZES]
    assert plans[0].workers == 1
    assert plans[-1].memory_gb > 100 * plans[2].memory_gb / 2
    assert all(p.partitions >= p.workers and p.bottleneck for p in plans)
    assert plans[-1].bottleneck == "memory of the workers"


def test_bottleneck_explains_the_workers():
    """Whoever plans for a second worker is told what for: CPU a little above its share, or one account that leaves room for nothing beside it."""
    found = scale.units(measured())
    dear = found._replace(event_us=dict.fromkeys(found.event_us, 31.0))
    assert (plan := scale.plan(1_000_000, 20_000, dear)).workers == 2
    assert plan.bottleneck == "CPU of the workers"
    cheap = found._replace(event_us=dict.fromkeys(found.event_us, 5.0))
    assert (plan := scale.plan(10_000, 1_000_000, cheap)).workers > 5 / scale.BUSY + 1
    assert plan.bottleneck == "the partition of the busiest account: 0.8 cores"


def test_no_plan_without_measurements():
    """A run that missed a figure gives no plan, and the page says which figure it was."""
    assert "did not measure 'memory, 5 k accounts'" in scale.table({})
