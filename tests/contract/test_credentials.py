"""The consumer of Faust and our own clients log in alike."""

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.faust_app import credentials
from streams.kafka_clients import client_arguments
from streams.settings import Kafka


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("mechanism", [None, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_same_security_for_all_clients(tls, mechanism):
    """TLS and SASL settings reach aiokafka through Faust as they do directly."""
    sasl = {"mechanism": mechanism, "username": "u", "password": "p"} if mechanism else None
    kafka = Kafka(tls={"enabled": tls}, sasl=sasl)
    direct = client_arguments(kafka)
    through_faust = dict(credentials_to_aiokafka_auth(credentials(kafka)))
    assert (through_faust.pop("ssl_context", None) is not None) == tls
    assert (direct.pop("ssl_context") is not None) == tls
    assert through_faust == {
        key: value for key, value in direct.items() if key not in ("bootstrap_servers", "client_id")
    }
