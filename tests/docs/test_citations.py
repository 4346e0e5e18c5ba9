"""What the code cites is in the project."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCIENCE = (ROOT / "docs" / "science.md").read_text(encoding="utf-8")
ANCHORS = set(re.findall(r"^#+ .*\{#([\w-]+)\}$", SCIENCE, re.M))
SOURCES = [file for room in ("rnnspike", "tests", "benchmarks") for file in sorted((ROOT / room).rglob("*.py"))]
DOCUMENTS = {file.name for folder in (ROOT, ROOT / "docs", ROOT / "sample_data") for file in folder.glob("*.md")}


def docstrings() -> Iterator[tuple[str, str]]:
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield str(file.relative_to(ROOT)), ast.get_docstring(node) or ""


def test_every_section_that_is_cited_exists() -> None:
    cited = [
        (file.name, anchor)
        for file in SOURCES
        for places in re.findall(r"science\.md((?:,?\s*#[a-z][\w-]*)+)", file.read_text(encoding="utf-8"))
        for anchor in re.findall(r"#([\w-]+)", places)
    ]
    assert len(cited) > 100
    assert [(name, anchor) for name, anchor in cited if anchor not in ANCHORS] == []


def test_docstrings_cite_no_document_that_is_not_here() -> None:
    elsewhere = [
        (file, name)
        for file, text in docstrings()
        for name in re.findall(r"\b([\w-]+\.md)\b", text)
        if name not in DOCUMENTS
    ]
    assert elsewhere == []


def test_docstrings_cite_sections_by_name() -> None:
    unnamed = r"science(?:\.md)? [a-e]\b|science\.md(?!\s*#)|\bissue \d"
    assert [(file, found) for file, text in docstrings() for found in re.findall(unnamed, text)] == []


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([\w-]+)\)", SCIENCE))))
def test_sections_refer_to_sections_that_exist(anchor: str) -> None:
    assert anchor in ANCHORS


def test_papers_that_sections_name_are_in_the_references() -> None:
    text, references = SCIENCE.split("## References")
    years = set(re.findall(r"\b((?:19|20)\d\d)\b", text))
    assert years <= set(re.findall(r"\(((?:19|20)\d\d)\)", references))
