"""Settings that follow from others."""

import pytest

from streams.settings import Redis, Settings


@pytest.mark.parametrize(
    ("topic_prefix", "prefix"),
    [("accountpulse.", "accountpulse:"), ("staging.", "staging:"), ("eu-west", "eu-west:")],
)
def test_keys_of_redis_follow_the_topics(monkeypatch, topic_prefix, prefix):
    """Installations with topics of their own have keys of their own, wherever the settings come from; a prefix that is given stays."""
    assert Settings(topic_prefix=topic_prefix).redis.prefix == prefix
    assert Settings(topic_prefix=topic_prefix, redis=Redis(url="redis://r:1")).redis.prefix == prefix
    assert Settings(topic_prefix=topic_prefix, redis=Redis(prefix="own:")).redis.prefix == "own:"
    monkeypatch.setenv("ACCOUNTPULSE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("ACCOUNTPULSE_REDIS__URL", "redis://r:1")
    assert (Settings().redis.url, Settings().redis.prefix) == ("redis://r:1", prefix)
    monkeypatch.setenv("ACCOUNTPULSE_REDIS__PREFIX", "accountpulse:")
    assert Settings().redis.prefix == "accountpulse:"


def test_settings_stay_frozen():
    """What is derived is as unchangeable as what was given, and is given on with a copy."""
    settings = Settings(topic_prefix="staging.")
    with pytest.raises(ValueError, match="frozen"):
        settings.redis.prefix = "x"
    assert settings.model_copy(update={"topic_prefix": "other."}).redis.prefix == "staging:"
    assert Settings.model_validate(settings.model_dump()).redis.prefix == "staging:"
