"""Guards what is overridden, mirrored or reached into in Faust and aiokafka.

A changed fingerprint does not say that something broke: read the change, look at what we built on it, run the
fault tests, then enter the new fingerprint. Comments and docstrings do not count.
"""

import ast
import hashlib
import importlib
import inspect
import textwrap

import pytest
from aiokafka.codec import lz4_encode
from faust.transport.drivers import aiokafka as driver

from streams.faust_app import WorkerApp
from streams.table import StateTable, Tables
from streams.transport import Consumer, ConsumerThread

FINGERPRINTS = {
    "faust.transport.consumer:Consumer.getmany": "6c19542375aa",
    "faust.transport.consumer:Consumer._wait_next_records": "60045b9ed344",
    "faust.transport.consumer:Consumer.perform_seek": "ad378ba620dc",
    "faust.transport.consumer:Consumer.commit": "2a3568d160e5",
    "faust.transport.consumer:Consumer.on_partitions_revoked": "300755751685",
    "faust.transport.consumer:Consumer.on_stop": "55a4d185e518",
    "faust.transport.consumer:Consumer._commit_handler": "32f7511c5ab2",
    "faust.transport.consumer:Consumer.verify_all_partitions_active": "4267383f9dce",
    "faust.transport.consumer:Consumer._commit_livelock_detector": "8a62e5027ba7",
    "faust.transport.consumer:Consumer._drain_messages": "3e3742ba998e",
    "faust.transport.consumer:ThreadDelegateConsumer._getmany": "d35c307f5dc7",
    "faust.transport.drivers.aiokafka:Consumer._new_consumer_thread": "877e2653465d",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener.on_partitions_assigned": "2fb333e45fae",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener.on_partitions_revoked": "9c067200612b",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_worker_consumer": "23bdff27f6fe",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._fetch_records": "2f7b103f8836",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._commit": "e01c0eba9a47",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._seek_wait": "ab2734df6c08",
    "faust.app.base:App._create_directories": "2ba9fff48bb9",
    "faust.app.base:App._on_partitions_revoked": "d49b4819fae7",
    "faust.app.base:App._on_partitions_assigned": "2c1cac0c84ab",
    "faust.tables.base:Collection.on_rebalance": "c25b6e1989bc",
    "faust.tables.base:Collection.apply_changelog_batch": "e153c40ec96e",
    "faust.tables.base:Collection.persisted_offset": "c1f81fe6fe7a",
    "faust.tables.base:Collection._changelog_topic_name": "b6f76c8e9865",
    "faust.tables.base:Collection._new_changelog_topic": "3412cf5cf323",
    "faust.tables.manager:TableManager.on_rebalance": "6843a3ed8d2d",
    "faust.tables.manager:TableManager.on_start": "6479bcd61537",
    "faust.tables.manager:TableManager._update_channels": "1501856bb63b",
    "faust.tables.recovery:Recovery.on_rebalance": "c1c73fd70040",
    "faust.tables.recovery:Recovery._restart_recovery": "3ba9ce22ae2d",
    "faust.tables.recovery:Recovery.on_recovery_completed": "a0d6c74d2f15",
    "faust.tables.recovery:Recovery._seek_offsets": "5854b9698ff9",
    "faust.tables.recovery:Recovery._slurp_changelogs": "37b7821eba6e",
    "faust.tables.recovery:Recovery.flush_buffers": "56b72a47b677",
    "faust.tables.recovery:Recovery.revoke": "be431a7d2474",
    "aiokafka.consumer.fetcher:Fetcher.fetched_records": "e0c2abb93915",
    "aiokafka.consumer.fetcher:Fetcher._proc_fetch_request": "67dcfef648ec",
    "aiokafka.consumer.fetcher:FetchResult.check_assignment": "9da78560d6bd",
    "aiokafka.consumer.fetcher:FetchResult.getall": "dab3256df06c",
    "aiokafka.consumer.fetcher:PartitionRecords._unpack_records": "199c30888a42",
    "aiokafka.consumer.fetcher:PartitionRecords.__init__": "409daf855462",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.fetch_committed_offsets": "d91fe24aac14",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.check_errors": "0aeb5263f180",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._push_error_to_user": "8048ad3f633e",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.request_rejoin": "eeacfc6c7b5f",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._do_heartbeat": "23532681d8d1",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._do_commit_offsets": "55c4e3f10e3f",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._maybe_leave_group": "372a8301f65a",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._send_req": "ee0c5346e1ac",
    "aiokafka.consumer.group_coordinator:CoordinatorGroupRebalance.perform_group_join": "cd9cceda8e4b",
    "aiokafka.protocol.group:HeartbeatRequest.__init__": "83156a560ab3",
    "aiokafka.protocol.commit:OffsetCommitRequest.__init__": "5294c6d3ab2a",
    "aiokafka.producer.message_accumulator:BatchBuilder._set_producer_state": "567428d22a8e",
    "aiokafka.producer.message_accumulator:BatchBuilder._build": "acaecd5adbbb",
    "aiokafka.producer.message_accumulator:BatchBuilder.append": "a0ec51eb9f44",
    "aiokafka.client:AIOKafkaClient.send": "c92af0e3608a",
    "aiokafka.client:AIOKafkaClient.coordinator_lookup": "d24f35cb95cc",
    "aiokafka.protocol.api:Request.__init_subclass__": "d7b38988982f",
    "aiokafka.protocol.api:Request.prepare": "a703a24f3c35",
    "aiokafka.codec:lz4_encode": "3868184524e8",
}

OVERRIDES = [
    (Consumer, driver.Consumer, ["getmany", "_getmany", "perform_seek", "commit", "on_partitions_revoked"]),
    (Consumer, driver.Consumer, ["verify_all_partitions_active"]),
    (ConsumerThread, driver.AIOKafkaConsumerThread, ["_create_worker_consumer", "_fetch_records", "_commit"]),
    (StateTable, StateTable.__mro__[1], ["on_rebalance", "apply_changelog_batch", "persisted_offset"]),
    (Tables, Tables.__mro__[1], ["on_start"]),
    (WorkerApp, WorkerApp.__mro__[1], ["_create_directories"]),
]


def fingerprint(name: str) -> str:
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(found, "fun", found))))
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_unchanged_upstream(name):
    """The code that an override replaces, or that calls it, is the code it was written against."""
    assert fingerprint(name) == FINGERPRINTS[name], f"{name} changed: review streams/transport.py and its kin"


@pytest.mark.parametrize(("ours", "theirs", "names"), OVERRIDES)
def test_overrides_take_what_they_are_called_with(ours, theirs, names):
    """Each override has the parameters of what it overrides, in order."""
    for name in names:
        mine = list(inspect.signature(getattr(ours, name)).parameters)
        assert mine == list(inspect.signature(getattr(theirs, name)).parameters), name


def test_level_is_the_only_default_of_lz4():
    """`compress_fast` sets the defaults of this function as a whole."""
    assert [
        p.name for p in inspect.signature(lz4_encode).parameters.values() if p.default is not p.empty
    ] == ["level"]
