"""What the sidecar is told: by the command line, else by the environment, else by default."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    listen: str = "127.0.0.1:3180"
    token: str = ""  # Authorization: Bearer …; empty: anybody who reaches the address
    corpus: str = ""  # file or folder of texts for the LSA model; empty: the docstrings of Python's library
    dimensions: int = 256
    ollama: str = "http://127.0.0.1:11434"  # empty: do not look
    transformers: tuple[str, ...] = field(default_factory=tuple)  # names or folders; never downloaded
    texts_max: int = 4096
    text_max: int = 1 << 20  # bytes
    concurrency: int = 64

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


def names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def read(arguments: list[str] | None = None) -> Settings:
    usual = Settings()
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="sidecar", description="Serves embedding and generation models to a lake.")
    parser.add_argument("--listen", default=env("SIDECAR_LISTEN", usual.listen), help="HOST:PORT; port 0 takes a free one")
    parser.add_argument("--corpus", default=env("SIDECAR_CORPUS", usual.corpus), help="file or folder of texts the LSA model learns from")
    parser.add_argument("--dimensions", type=int, default=int(env("SIDECAR_DIMENSIONS", str(usual.dimensions))))
    parser.add_argument("--ollama", default=env("SIDECAR_OLLAMA", usual.ollama), help="address of Ollama; empty: none")
    parser.add_argument("--transformers", default=env("SIDECAR_TRANSFORMERS", ""), help="sentence-transformers models, by comma")
    given = parser.parse_args(arguments)
    if not 2 <= given.dimensions <= 4096:
        parser.error("--dimensions is from 2 to 4096")
    if not given.listen.rpartition(":")[2].isdigit():
        parser.error("--listen is HOST:PORT")
    # The token only by the environment: others see a command line.
    return Settings(listen=given.listen, token=env("SIDECAR_TOKEN", ""), corpus=given.corpus, dimensions=given.dimensions,
                    ollama=given.ollama.rstrip("/"), transformers=names(given.transformers))
