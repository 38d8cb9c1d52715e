"""Texts for the LSA model to learn from."""

from __future__ import annotations

import ast
import os
import sysconfig
from collections.abc import Iterator

TEXT_MAX = 1 << 20
TEXTS_MAX = 50_000
ENDINGS = (".txt", ".md", ".rst", ".csv")


def paragraphs(text: str) -> Iterator[str]:
    for part in text.replace("\r\n", "\n").split("\n\n"):
        if len(part.split()) >= 5:
            yield part


def smart(text: str) -> Iterator[str]:
    """Documents of a SMART collection, such as Cranfield."""
    for document in ("\n" + text).split("\n.I ")[1:]:
        yield document.partition("\n.W")[2]


def file_texts(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read(64 << 20)
    yield from smart(text) if text.startswith(".I ") else paragraphs(text)


def folder_files(path: str) -> Iterator[str]:
    for folder, folders, files in os.walk(path):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(files) if name.endswith(ENDINGS))


def docstrings() -> Iterator[str]:
    """What every Python carries: the documentation of its own library, read without importing it."""
    library = sysconfig.get_path("stdlib")
    for name in sorted(os.listdir(library)):
        if not name.endswith(".py"):
            continue
        with open(os.path.join(library, name), encoding="utf-8", errors="replace") as f:
            tree = ast.parse(f.read())
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text:
                    yield text


def texts(path: str) -> list[str]:
    if not path:
        source = docstrings()
    elif os.path.isdir(path):
        source = (text for file in folder_files(path) for text in file_texts(file))
    else:
        source = file_texts(path)
    found: list[str] = []
    for text in source:
        if len(found) == TEXTS_MAX:
            break
        found.append(text[:TEXT_MAX])
    return found
