"""The models: scikit-learn's LSA, sentence-transformers where they are installed, and those of an Ollama that answers.

A model embeds a list of texts to an array of float32, or generates pieces of text. Nothing is kept between requests but what a model
is made of.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy

from . import corpus
from .settings import Settings

LOOK_TIMEOUT_S = 1.0
ASK_TIMEOUT_S = 300.0


class Unavailable(Exception):
    """The model cannot answer now."""


@dataclass
class Piece:
    text: str = ""
    done: bool = False
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class Prompt:
    messages: list[dict[str, str]]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] = field(default_factory=list)


class Embedder(Protocol):
    name: str
    owner: str

    def embed(self, texts: list[str]) -> numpy.ndarray: ...


class Lsa:
    """TF-IDF and a truncated SVD, fitted once on a corpus when it is first asked. The same corpus gives the same model."""

    owner = "scikit-learn"

    def __init__(self, path: str, dimensions: int) -> None:
        self.name = f"sklearn-lsa-{dimensions}"
        self.path = path
        self.dimensions = dimensions
        self.lock = threading.Lock()
        self.pipeline: Any = None
        self.revision = ""

    def fitted(self) -> Any:
        with self.lock:
            if self.pipeline is None:
                self.fit(corpus.texts(self.path))
            return self.pipeline

    def fit(self, texts: list[str]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline

        if len(texts) < 3:
            raise Unavailable(f"the corpus {self.path!r} has {len(texts)} texts; three are the least")
        words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2 if len(texts) > 20 else 1, max_features=50_000)
        matrix = words.fit_transform(texts)
        rank = min(self.dimensions, min(matrix.shape) - 1)
        directions = TruncatedSVD(n_components=rank, random_state=0).fit(matrix)
        digest = hashlib.sha256()
        for text in texts:
            digest.update(text.encode() + b"\0")
        self.revision = digest.hexdigest()[:16]
        self.pipeline = make_pipeline(words, directions)

    def embed(self, texts: list[str]) -> numpy.ndarray:
        vectors = self.fitted().transform(texts)
        lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
        scaled = numpy.divide(vectors, lengths, out=numpy.zeros_like(vectors), where=lengths > 1e-12)
        missing = self.dimensions - scaled.shape[1]
        return numpy.pad(scaled, ((0, 0), (0, missing))).astype("<f4")


class Transformer:
    """A sentence-transformers model from this machine; nothing is downloaded."""

    owner = "sentence-transformers"

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(path.rstrip("/"))
        self.path = path
        self.lock = threading.Lock()
        self.model: Any = None

    def embed(self, texts: list[str]) -> numpy.ndarray:
        with self.lock:  # one at a time: a model uses every core already
            if self.model is None:
                os.environ.setdefault("HF_HUB_OFFLINE", "1")
                from sentence_transformers import SentenceTransformer

                try:
                    self.model = SentenceTransformer(self.path)
                except Exception as error:
                    raise Unavailable(f"{self.path} cannot be loaded: {error}") from error
            return numpy.asarray(self.model.encode(texts, normalize_embeddings=True), dtype="<f4")


class Ollama:
    """Whatever models an Ollama has. Which they are is asked anew each time: it may come, go and pull."""

    def __init__(self, url: str) -> None:
        self.url = url
        # Proxies of the environment are not for this machine's own services.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path: str, body: dict[str, Any] | None, timeout: float) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers={"Content-Type": "application/json"})
        try:
            return self.opener.open(request, timeout=timeout)
        except (OSError, urllib.error.URLError) as error:
            raise Unavailable(f"Ollama at {self.url}: {error}") from error

    def names(self) -> list[str]:
        if not self.url:
            return []
        try:
            with self.ask("/api/tags", None, LOOK_TIMEOUT_S) as answer:
                found = json.load(answer).get("models", [])
        except (Unavailable, ValueError):
            return []
        return sorted(m["name"] for m in found if isinstance(m.get("name"), str))

    def embed(self, model: str, texts: list[str]) -> numpy.ndarray:
        with self.ask("/api/embed", {"model": model, "input": texts}, ASK_TIMEOUT_S) as answer:
            vectors = numpy.asarray(json.load(answer)["embeddings"], dtype="<f4")
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise Unavailable(f"Ollama answered {vectors.shape} for {len(texts)} texts")
        return vectors

    def generate(self, model: str, prompt: Prompt) -> Iterator[Piece]:
        options = {"num_predict": prompt.max_tokens, "temperature": prompt.temperature, "top_p": prompt.top_p, "seed": prompt.seed,
                   "stop": prompt.stop or None}
        body = {"model": model, "messages": prompt.messages, "stream": True,
                "options": {k: v for k, v in options.items() if v is not None}}
        with self.ask("/api/chat", body, ASK_TIMEOUT_S) as answer:
            for line in answer:
                event = json.loads(line)
                if "error" in event:
                    raise Unavailable(str(event["error"]))
                yield Piece(text=event.get("message", {}).get("content", ""), done=bool(event.get("done")),
                            finish_reason=event.get("done_reason", ""), prompt_tokens=int(event.get("prompt_eval_count", 0)),
                            completion_tokens=int(event.get("eval_count", 0)))


@dataclass(frozen=True)
class Entry:
    name: str
    owner: str
    embeds: bool
    generates: bool


class Shelf:
    """All models by name."""

    def __init__(self, settings: Settings) -> None:
        self.lsa = Lsa(settings.corpus, settings.dimensions)
        self.ollama = Ollama(settings.ollama)
        self.embedders: dict[str, Embedder] = {self.lsa.name: self.lsa}
        if settings.transformers and importlib.util.find_spec("sentence_transformers"):
            for path in settings.transformers:
                model = Transformer(path)
                self.embedders[model.name] = model

    def entries(self) -> list[Entry]:
        mine = [Entry(m.name, m.owner, True, False) for m in self.embedders.values()]
        return mine + [Entry(name, "ollama", True, True) for name in self.ollama.names()]

    @property
    def default(self) -> str:
        """The best that is here without asking anybody: a transformer, else LSA."""
        return next((m.name for m in self.embedders.values() if m.owner != Lsa.owner), self.lsa.name)

    def embed(self, name: str, texts: list[str]) -> numpy.ndarray:
        name = name or self.default
        if name in self.embedders:
            return self.embedders[name].embed(texts)
        if name in self.ollama.names():
            return self.ollama.embed(name, texts)
        raise KeyError(name)

    def generate(self, name: str, prompt: Prompt) -> Iterator[Piece]:
        known = self.ollama.names()
        if not name and known:
            name = known[0]
        if name in known:
            return self.ollama.generate(name, prompt)
        if not known or name in self.embedders:
            raise NotImplementedError("no model here generates text: start an Ollama with one")
        raise KeyError(name)
