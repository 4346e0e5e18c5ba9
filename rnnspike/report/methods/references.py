"""The references that methods text cites: one BibTeX file, read for text and given as it is for BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

#: TeX accents of the file -> the letters that they stand for.
LETTERS = {
    r"{\"o}": "ö",
    r"{\"u}": "ü",
    r"{\"e}": "ë",
    r"{\'e}": "é",
}
#: A citation in the source of a text: ``[@key; @other]``.
CITATION = re.compile(r" ?\[(@[a-z0-9]+(?:; @[a-z0-9]+)*)\]")


@dataclass(frozen=True)
class Reference:
    """One entry of the file: its fields without TeX, and the entry as it stands."""

    key: str
    fields: Mapping[str, str]
    bibtex: str

    @property
    def short(self) -> str:
        """Authors and year as in a citation: ``Brown et al. 2002``."""
        names = [each.split(",")[0] for each in self.fields["author"].split(" and ")]
        who = names[0] if len(names) == 1 else " & ".join(names) if len(names) == 2 else f"{names[0]} et al."
        return f"{who} {self.fields['year']}"

    def full(self, link: bool = False) -> str:
        """Return the entry of a list of references; with ``link`` the DOI is a link of Markdown."""
        own = self.fields
        authors = own["author"].replace(" and others", " et al.").replace(" and ", "; ")
        where = own.get("journal") or f"In: {own['booktitle']}"
        number = f" {own['volume']}" if "volume" in own else ""
        number += f"({own['number']})" if "number" in own else ""
        pages = f":{own['pages'].replace('--', '–')}" if "pages" in own and number else ""
        pages = pages or (f", {own['pages'].replace('--', '–')}" if "pages" in own else "")
        doi = own.get("doi")
        address = f"https://doi.org/{doi}"
        ending = "" if doi is None else f" [{address}]({address})" if link else f" {address}"
        return f"{authors} ({own['year']}). {own['title']}. {where}{number}{pages}.{ending}"


@lru_cache(maxsize=1)
def references() -> Mapping[str, Reference]:
    """Return all references by key."""
    text = (resources.files("rnnspike.report.methods") / "references.bib").read_text("utf-8")
    found = {}
    for entry in re.findall(r"^@\w+\{.*?^\}$", text, re.M | re.S):
        key = re.match(r"@\w+\{(\w+),", entry)
        fields = {name: plain(value) for name, value in re.findall(r"^  (\w+) = \{(.*)\},$", entry, re.M)}
        assert key is not None
        found[key[1]] = Reference(key[1], fields, entry)
    return MappingProxyType(found)


def plain(value: str) -> str:
    """Return a field of BibTeX without TeX.

    Examples
    --------
    >>> plain(r"{Neo}: Pr{\\"o}pper")
    'Neo: Pröpper'
    """
    for tex, letter in LETTERS.items():
        value = value.replace(tex, letter)
    return re.sub(r"(?<!-)--(?!-)", "–", value.replace("{", "").replace("}", ""))


def cited(texts: Iterable[str]) -> list[Reference]:
    """Return the references that texts cite, by key; a name that looks like a citation is none."""
    keys = {key.removeprefix("@") for text in texts for found in CITATION.findall(text) for key in found.split("; ")}
    return [references()[key] for key in sorted(keys & set(references()))]


def with_citations(text: str) -> str:
    """Return a text with its citations written out.

    Examples
    --------
    >>> with_citations("time rescaling [@brown2002; @haslinger2010]")
    'time rescaling (Brown et al. 2002; Haslinger et al. 2010)'
    """

    def written(found: re.Match[str]) -> str:
        keys = found[1].replace("@", "").split("; ")
        if not set(keys) <= set(references()):
            return found[0]
        return f" ({'; '.join(references()[key].short for key in keys)})"

    return CITATION.sub(written, text)
