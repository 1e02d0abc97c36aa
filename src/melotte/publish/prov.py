"""Provenance as W3C PROV (PROV-JSON): row -> stars -> input file and checksum -> configuration -> code version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from ..core.files import write_text
from ..schema.products import RUN_TABLES

#: Names of the vocabulary and of this run; they identify, there is nothing to be opened behind them.
_VOCABULARY = "urn:melotte:terms:"
_RUN = "urn:melotte:run:"


def write_prov(
    path: Path,
    *,
    record: Mapping[str, Any],
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    published: Sequence[Mapping[str, Any]],
    most_stars: int,
) -> bool:
    """Write where every row comes from.

    Parameters
    ----------
    path : pathlib.Path
        The JSON file.
    record : mapping
        ``provenance.json`` of the run.
    clusters, members : polars.DataFrame
        Tables of `melotte.schema.CATALOGUE` and `melotte.schema.MEMBER_STARS`.
    published : sequence of mapping
        ``file``, ``bytes`` and ``sha256`` of each published file.
    most_stars : int
        With more stars than this the stars of a cluster are named by a rule, not one by one.

    Returns
    -------
    bool
        Whether every star is named.

    Raises
    ------
    PublishError
        If the file cannot be written.
    """
    graph = _Graph(record)
    run = graph.activity("run", "The run", start=record["started"], end=record["finished"])
    publication = graph.activity("publish", "melotte publish: the same tables in the formats of publication")
    software = record["software"]
    code = graph.agent("code", f"melotte {software['melotte']}", {k: str(v) for k, v in software.items()})
    text = json.dumps(record["configuration"], sort_keys=True, ensure_ascii=False)
    plan = graph.entity(
        "configuration",
        {"prov:label": "The resolved configuration", "melotte:json": text, "melotte:sha256": _sha256(text)},
        kind="prov:Plan",
    )
    for activity in (run, publication):
        graph.relate("wasAssociatedWith", activity=activity, agent=code, plan=plan)
    inputs = {item["name"]: graph.file(f"input/{item['name']}", item) for item in record["inputs"]}
    graph.relate("used", activity=run, entity=plan)
    for entity in inputs.values():
        graph.relate("used", activity=run, entity=entity)
    products = {item["file"]: graph.file(f"product/{item['file']}", item) for item in record["outputs"]}
    for entity in products.values():
        graph.relate("wasGeneratedBy", entity=entity, activity=run)
    for product in RUN_TABLES:
        made = products.get(f"{product.name}.parquet")
        if made is not None and product.published:
            graph.relate("used", activity=publication, entity=made)
    for item in published:
        graph.relate("wasGeneratedBy", entity=graph.file(f"published/{item['file']}", item), activity=publication)
    named = members.height <= most_stars
    _rows(graph, clusters, members, run=run, inputs=inputs, table=products.get("clusters.parquet"), named=named)
    write_text(path, json.dumps(graph.document, indent=1, ensure_ascii=False) + "\n")
    return named


def _rows(
    graph: _Graph,
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    *,
    run: str,
    inputs: Mapping[str, str],
    table: str | None,
    named: bool,
) -> None:
    """A row of the cluster table comes from its stars, these from the survey and the membership list."""
    columns = ["cluster", "source_id", "gaia_release", "spectrum_id", "flag"]
    stars = {str(key[0]): part for key, part in members.select(columns).group_by("cluster", maintain_order=True)}
    rows = []
    for name in clusters["cluster"]:
        part = stars.get(name, members.select(columns).clear())
        row = graph.entity(f"row/{name}", {"prov:label": f"Row {name} of the cluster table"}, kind="melotte:Row")
        rows.append(row)
        facts: dict[str, Any] = {"prov:label": f"Stars of {name}", "melotte:stars": part.height}
        for flag in sorted(part["flag"].unique().to_list()):
            facts[f"melotte:stars_of_flag_{flag}"] = part.filter(pl.col("flag") == flag).height
        if not named:
            facts["melotte:rule"] = f"rows of members.parquet with cluster = '{name}'"
        group = graph.entity(f"stars/{name}", facts, kind="prov:Collection")
        graph.relate("wasGeneratedBy", entity=row, activity=run)
        graph.relate("wasDerivedFrom", generatedEntity=row, usedEntity=group, activity=run)
        if "clusters" in inputs:
            graph.relate("wasDerivedFrom", generatedEntity=row, usedEntity=inputs["clusters"], activity=run)
        for source in ("survey", "members"):
            if source in inputs:
                graph.relate("wasDerivedFrom", generatedEntity=group, usedEntity=inputs[source], activity=run)
        if named and part.height:
            graph.relate("hadMember", collection=group, entity=[_star(graph, star) for star in part.iter_rows()])
    if table is not None and rows:
        graph.relate("hadMember", collection=table, entity=rows)


def _star(graph: _Graph, star: tuple[Any, ...]) -> str:
    cluster, source_id, release, spectrum_id, flag = star
    return graph.entity(
        f"star/{cluster}/{release}/{source_id}",
        {
            # A JSON number may be read as a double, which has not the digits.
            "melotte:source_id": {"$": str(source_id), "type": "xsd:long"},
            "melotte:gaia_release": release,
            "melotte:spectrum_id": spectrum_id,
            "melotte:flag": flag,
        },
        kind="melotte:Star",
    )


class _Graph:
    """A PROV-JSON document in the making."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, sort_keys=True, ensure_ascii=False)
        # xsd and prov are known to every reader.
        self.document: dict[str, Any] = {"prefix": {"melotte": _VOCABULARY, "run": f"{_RUN}{_sha256(text)[:16]}:"}}

    def _name(self, local: str) -> str:
        return f"run:{quote(local, safe='/-._~')}"

    def _add(self, section: str, name: str, content: dict[str, Any]) -> str:
        self.document.setdefault(section, {})[name] = content
        return name

    def entity(self, local: str, content: Mapping[str, Any], *, kind: str) -> str:
        named = {"prov:type": {"$": kind, "type": "prov:QUALIFIED_NAME"}, **content}
        return self._add("entity", self._name(local), named)

    def file(self, local: str, item: Mapping[str, Any]) -> str:
        facts = {"prov:label": item["file"], "melotte:bytes": item["bytes"], "melotte:sha256": item["sha256"]}
        if item["file"] == "clusters.parquet":  # its rows are named
            return self.entity(local, facts, kind="prov:Collection")
        return self.entity(local, facts, kind="melotte:File")

    def activity(self, local: str, label: str, *, start: str | None = None, end: str | None = None) -> str:
        times = {"prov:startTime": start, "prov:endTime": end}
        content = {"prov:label": label, **{k: v for k, v in times.items() if v}}
        return self._add("activity", self._name(local), content)

    def agent(self, local: str, label: str, versions: Mapping[str, str]) -> str:
        kind = {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}
        facts = {f"melotte:version_of_{k}": v for k, v in versions.items()}
        return self._add("agent", self._name(local), {"prov:type": kind, "prov:label": label, **facts})

    def relate(self, relation: str, **ends: Any) -> None:
        number = len(self.document.get(relation, {})) + 1
        content = {f"prov:{end}": value for end, value in ends.items()}
        self._add(relation, f"_:{relation}{number}", content)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
