"""References are whole, used, and the same in text and BibTeX."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rnnspike._version import __version__
from rnnspike.report.methods import itself, models, text
from rnnspike.report.methods.references import CITATION, cited, references, with_citations

ROOT = Path(__file__).parents[3]
SOURCES = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (models, text)]
SCIENCE = (ROOT / "docs" / "science.md").read_text(encoding="utf-8")


def test_every_reference_is_cited_and_every_citation_is_there() -> None:
    written = {
        key for each in SOURCES for found in CITATION.findall(each) for key in found.replace("@", "").split("; ")
    }
    assert written == set(references()) == {each.key for each in cited(SOURCES)}


def test_a_name_that_looks_like_a_citation_is_none() -> None:
    assert cited(["column [@nobody1900]"]) == []
    assert with_citations("column [@nobody1900]") == "column [@nobody1900]"


@pytest.mark.parametrize("key", sorted(references()))
def test_a_reference_is_whole(key: str) -> None:
    own = references()[key]
    assert {"author", "title", "year"} <= set(own.fields) and ("journal" in own.fields) != ("booktitle" in own.fields)
    assert key.endswith(own.fields["year"]) and own.bibtex.startswith("@") and key in own.bibtex
    assert not set(r"{}\@") & set(own.full()) and own.bibtex.count("{") == own.bibtex.count("}")
    if own.bibtex.startswith("@article"):
        assert {"volume", "pages"} <= set(own.fields)
    if "doi" in own.fields:
        assert re.fullmatch(r"10\.\d{4,5}/\S+", own.fields["doi"])
        assert own.full(link=True).endswith(f"({'https://doi.org/' + own.fields['doi']})")


def test_the_list_of_the_science_page_agrees() -> None:
    listed = SCIENCE.split("## References")[1]
    for own in references().values():
        volume, first = own.fields.get("volume", ""), own.fields.get("pages", "").split("–")[0]
        mark = f"{volume}:{first}" if volume and first else first or volume  # 14:325, as the page has it
        name = own.fields["author"].split(",")[0]
        lines = [line for line in listed.splitlines() if name in line and f"({own.fields['year']})" in line]
        if own.key not in ("garcia2014", "ruebel2022"):  # formats of files, which the page does not define
            assert lines, own.key
            assert any(mark in line or (first and line.endswith(f" {first}")) for line in lines), own.key


def test_citations_are_written_out() -> None:
    assert with_citations("rescaled [@brown2002; @kass2001].") == "rescaled (Brown et al. 2002; Kass & Ventura 2001)."
    assert not any(CITATION.search(with_citations(each)) for each in models.SENTENCES.values())


def test_the_citation_file_holds_the_same_facts() -> None:
    """An installed package has no CITATION.cff, so its facts are in the code too."""
    yaml = pytest.importorskip("yaml")
    facts = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert facts["cff-version"] == "1.2.0" and facts["type"] == "software" and facts["message"]
    assert facts["title"] == itself.TITLE and facts["authors"] == [{"name": itself.AUTHOR}]
    assert facts["license"] == itself.LICENSE and facts["version"] == __version__
    known = {"cff-version", "message", "type", "title", "version", "license", "abstract", "authors", "keywords"}
    assert set(facts) <= known and all(isinstance(word, str) for word in facts["keywords"])
    assert __version__ in itself.as_text() and __version__ in itself.BIBTEX
