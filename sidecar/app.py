"""The routes. What they take and answer is in sidecar/README.md; src/aibridge/sidecar.c is the other end."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any, Optional

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Extra, Field

from .models import Piece, Prompt, Shelf, Unavailable
from .settings import Settings


class Strict(BaseModel):
    class Config:
        extra = Extra.forbid


class EmbedRequest(Strict):
    model: str = ""
    texts: list[str] = Field(min_items=1)


class EmbedAnswer(BaseModel):
    model: str
    count: int
    dim: int
    vectors: str  # base64 of count × dim little-endian 32-bit floats
    prompt_tokens: int


class Message(Strict):
    role: str = Field(regex="^(system|user|assistant)$")
    content: str


class GenerateRequest(Strict):
    model: str = ""
    messages: list[Message] = Field(min_items=1)
    max_tokens: Optional[int] = Field(default=None, ge=1)
    temperature: Optional[float] = Field(default=None, ge=0, le=2)
    top_p: Optional[float] = Field(default=None, ge=0, le=1)
    seed: Optional[int] = None
    stop: list[str] = Field(default_factory=list, max_items=4)


def tokens_guess(texts: list[str]) -> int:
    return (sum(len(t) for t in texts) + 3) // 4


def limits_check(settings: Settings, texts: list[str]) -> None:
    if len(texts) > settings.texts_max:
        raise HTTPException(413, f"{len(texts)} texts at once; the limit is {settings.texts_max}")
    if any(len(t.encode()) > settings.text_max for t in texts):
        raise HTTPException(413, f"a text has more than {settings.text_max} bytes")


def event(piece: Piece) -> str:
    if piece.done:
        return json.dumps({"piece": piece.text, "done": True, "finish_reason": piece.finish_reason or "stop",
                           "prompt_tokens": piece.prompt_tokens, "completion_tokens": piece.completion_tokens}) + "\n"
    return json.dumps({"piece": piece.text}) + "\n"


def events(pieces: Iterator[Piece]) -> Iterator[str]:
    """A failure midway is an event of its own, so that nobody takes half for whole."""
    try:
        for piece in pieces:
            yield event(piece)
    except (Unavailable, OSError, ValueError) as error:
        yield json.dumps({"error": str(error)}) + "\n"


def make_app(settings: Settings) -> FastAPI:
    shelf = Shelf(settings)
    app = FastAPI(title="Lakehouse sidecar", docs_url=None, redoc_url=None)

    def allowed(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if settings.token and not hmac.compare_digest(given.encode(), f"Bearer {settings.token}".encode()):
            raise HTTPException(401, "a token is needed")

    @app.exception_handler(Unavailable)
    def unavailable(_: Request, error: Unavailable) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)

    @app.exception_handler(NotImplementedError)
    def not_here(_: Request, error: NotImplementedError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 501)

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok", "service": "sidecar"}

    @app.get("/models", dependencies=[Depends(allowed)])
    def models() -> dict[str, Any]:
        return {"default": shelf.default, "models": [vars(entry) for entry in shelf.entries()]}

    @app.post("/embed", response_model=EmbedAnswer, dependencies=[Depends(allowed)])
    def embed(body: EmbedRequest) -> EmbedAnswer:
        limits_check(settings, body.texts)
        try:
            vectors = shelf.embed(body.model, body.texts)
        except KeyError:
            raise HTTPException(404, f"there is no model {body.model!r}") from None
        packed = base64.b64encode(vectors.tobytes()).decode()
        return EmbedAnswer(model=body.model or shelf.default, count=len(vectors), dim=vectors.shape[1], vectors=packed,
                           prompt_tokens=tokens_guess(body.texts))

    @app.post("/generate", dependencies=[Depends(allowed)])
    def generate(body: GenerateRequest) -> StreamingResponse:
        limits_check(settings, [m.content for m in body.messages])
        prompt = Prompt([m.dict() for m in body.messages], body.max_tokens, body.temperature, body.top_p, body.seed, body.stop)
        try:
            pieces = shelf.generate(body.model, prompt)
        except KeyError:
            raise HTTPException(404, f"there is no model {body.model!r}") from None
        return StreamingResponse(events(pieces), media_type="application/x-ndjson")

    return app
