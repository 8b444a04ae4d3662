"""Faust, as far as it is used: the group, recovery of the changelog, and one stream of whole fetches."""

from __future__ import annotations

import logging
from typing import Any, cast

import faust
from mode.supervisors import CrashingSupervisor

from streams.settings import Kafka, Settings
from streams.table import Tables


class WorkerApp(faust.App):
    """Faust's app without its directories: nothing is kept on disk."""

    logger = logging.getLogger("faust.worker")  # or its life cycle is logged as ours

    def _create_directories(self) -> None:
        pass


def faust_app(settings: Settings) -> WorkerApp:
    """The app of these settings, without agents and tables. Raises OSError on an unusable certificate."""
    kafka, engine = settings.kafka, settings.engine
    app = WorkerApp(
        kafka.group,
        broker=[f"accountpulse://{address.strip()}" for address in kafka.bootstrap.split(",")],
        broker_credentials=credentials(kafka),
        broker_client_id=kafka.client_id,
        consumer_group_instance_id=kafka.instance_id,
        broker_session_timeout=kafka.session_timeout,
        broker_heartbeat_interval=kafka.heartbeat_interval,
        broker_request_timeout=max(kafka.request_timeout, kafka.session_timeout),
        broker_rebalance_timeout=kafka.write_deadline,
        broker_max_poll_interval=1000.0,
        broker_commit_interval=engine.commit_interval,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=kafka.fetch_bytes,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=kafka.partitions,
        table_standby_replicas=0,
        TableManager=Tables,
        agent_supervisor=CrashingSupervisor,  # a crash is safe, a skipped record is not
        stream_buffer_maxsize=4,  # messages, each of which holds a whole fetch
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        store="memory://",
        web_enabled=False,
    )
    app.finalize()
    return app


def credentials(kafka: Kafka) -> Any:  # noqa: ANN401 - one of Faust's credential classes
    """TLS and SASL as Faust wants them told."""
    context = kafka.tls.context()
    if kafka.sasl:
        return faust.SASLCredentials(
            username=kafka.sasl.username,
            password=kafka.sasl.password.get_secret_value(),
            ssl_context=context,
            mechanism=cast("Any", kafka.sasl.mechanism),
        )
    return faust.SSLCredentials(context) if context else None
