"""The measured quantities: one record each, from which columns, labels and units follow.

A record says what a quantity is. The columns of a star (`Quantity.columns`), those of a cluster
(`Quantity.clipped_columns`, `Quantity.model_columns`) and the label of an axis (`Quantity.axis_label`) are made
from it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from ..errors import SchemaError
from .core import Column

Kind = Literal["velocity", "abundance", "parameter"]


@dataclass(frozen=True, slots=True)
class Quantity:
    r"""One measured quantity of a star.

    Attributes
    ----------
    key : str
        Name of its column; ``<key>_error`` holds the uncertainty.
    kind : str
        ``velocity``, ``abundance`` or ``parameter`` (of the star: no value of the cluster is made from it).
    symbol : str
        Plain text, as in ``[Fe/H]``.
    unit, ucd, description : str
        Those of the column.
    format, error_format : str
        ``printf`` formats of a star's value and its error.
    label : str
        CDS label of the column; errors get ``e_``, scatters ``s_`` in front.
    tex : str
        Symbol in figures, in matplotlib's notation; `symbol` if empty.
    title, plural : str
        Words for the sentences of the column descriptions; `symbol` if empty.
    cluster_format, cluster_error_format : str
        ``printf`` formats of a cluster's value and its error.
    caveat : str
        What a cluster's value does not contain, e.g. ``zero point not removed``.
    of_every_star : bool
        Whether SPECTRA, STARS and MEMBER_STARS have it.
    """

    key: str
    kind: Kind
    symbol: str
    unit: str
    ucd: str
    description: str
    format: str
    error_format: str
    label: str
    tex: str = ""
    title: str = ""
    plural: str = ""
    cluster_format: str = "%8.4f"
    cluster_error_format: str = "%7.4f"
    caveat: str = ""
    of_every_star: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.key) or self.key.endswith("_error"):
            raise SchemaError(
                f"{self.key!r} cannot be the key of a quantity",
                expected="small letters, digits and underscores, a letter first, without _error at the end",
            )

    @property
    def error_key(self) -> str:
        """Name of the column of uncertainties."""
        return f"{self.key}_error"

    @property
    def axis_label(self) -> str:
        """Label of an axis, in matplotlib's notation."""
        above, _, below = self.unit.partition(" / ")
        unit = f"{above} {below}$^{{-1}}$" if below else above
        return f"{self.tex or self.symbol} ({unit})" if unit else self.tex or self.symbol

    @property
    def error_ucd(self) -> str:
        """UCD of an uncertainty."""
        return f"stat.error;{self._word}"

    @property
    def _word(self) -> str:
        """The primary word of the UCD."""
        return self.ucd.partition(";")[0]

    @property
    def columns(self) -> tuple[Column, Column]:
        """The value of a star and its uncertainty."""
        return (
            Column(self.key, "float64", self.unit, self.ucd, self.description, format=self.format, label=self.label),
            self._error(self.key, self.error_format, self.label, f"Uncertainty of {self.key}"),
        )

    def clipped_columns(self) -> tuple[Column, ...]:
        """A cluster's median and mean of the draws, with their errors, and the scatter of its stars."""
        med, mean = f"{self.key}_med", f"{self.key}_mean"
        caveat = f", survey {self.caveat}" if self.caveat else ""
        of = "" if self.kind == "velocity" else f" of {self.symbol}"
        whose, draws = f"{self.title or self.symbol} of the cluster", "standard deviation of the {} of the draws"
        return (
            self._value(med, "med", "stat.median", f"{whose}: centre of the medians of the draws{caveat}"),
            self._cluster_error(med, "med", f"Uncertainty of {med}: {draws.format('medians')}"),
            self._value(mean, "mean", "stat.mean", f"Centre of the means of the draws{of}{caveat}"),
            self._cluster_error(mean, "mean", f"Uncertainty of {mean}: {draws.format('means')}"),
            Column(
                f"{self.key}_scatter",
                "float64",
                self.unit,
                f"stat.stdev;{self._word}",
                f"Sample standard deviation of the measured {self.plural or self.symbol} of the stars used "
                "(two or more)",
                format=self.cluster_error_format,
                label=f"s_{self.label}",
                scatter_of=med,
                minimum=0.0,
            ),
        )

    def model_columns(self, *, posterior_of: str = "") -> tuple[Column, ...]:
        """A cluster's value by the mixture model: median, error and percentiles 16 and 84 of the posterior.

        Parameters
        ----------
        posterior_of : str
            What the percentiles are those of; the name of the column if empty.
        """
        name = f"{self.key}_model"
        caveat = f", {self.caveat}" if self.caveat else ""
        text = f"{self.title or self.symbol} of the cluster from the mixture model: median of the posterior{caveat}"
        return (
            self._value(name, "mod", "", text),
            self._cluster_error(name, "mod", f"Half the distance of {name}_p16 and {name}_p84"),
            *(
                self._value(
                    f"{name}_p{p}",
                    f"mod{p}",
                    "stat.value",
                    f"Percentile {p} of the posterior of {posterior_of or name}",
                )
                for p in (16, 84)
            ),
        )

    def _value(self, name: str, suffix: str, ucd: str, description: str) -> Column:
        """A column of a cluster's values."""
        return Column(
            name,
            "float64",
            self.unit,
            f"{self.ucd};{ucd}" if ucd else self.ucd,
            description,
            format=self.cluster_format,
            label=f"{self.label}{suffix}",
        )

    def _cluster_error(self, of: str, suffix: str, description: str) -> Column:
        return self._error(of, self.cluster_error_format, f"{self.label}{suffix}", description)

    def _error(self, of: str, fmt: str, label: str, description: str) -> Column:
        return Column(
            f"{of}_error",
            "float64",
            self.unit,
            self.error_ucd,
            description,
            format=fmt,
            label=f"e_{label}",
            error_of=of,
            minimum=0.0,
        )


RV = Quantity(
    "rv",
    "velocity",
    "RV",
    "km / s",
    "spect.dopplerVeloc;pos.barycenter",
    "Barycentric radial velocity as published by the survey (no zero-point correction)",
    "%9.3f",
    "%8.3f",
    "RV",
    title="Radial velocity",
    plural="radial velocities",
    cluster_format="%9.4f",
    cluster_error_format="%8.4f",
    caveat="zero point not removed",
)
TEFF = Quantity(
    "teff",
    "parameter",
    "Teff",
    "K",
    "phys.temperature.effective",
    "Effective temperature",
    "%8.2f",
    "%7.2f",
    "Teff",
    tex=r"$T_{\rm eff}$",
)
LOGG = Quantity(
    "logg",
    "parameter",
    "log g",
    "dex",
    "phys.gravity",
    "log10 of the surface gravity in cm s-2",
    "%6.3f",
    "%6.3f",
    "logg",
    tex=r"$\log\,g$",
)
FEH = Quantity(
    "feh", "abundance", "[Fe/H]", "dex", "phys.abund.Fe", "Iron abundance [Fe/H]", "%7.3f", "%6.3f", "[Fe/H]"
)

_REGISTRY: dict[str, Quantity] = {}


def register(record: Quantity) -> Quantity:
    """Make a quantity known to `quantity` and `quantities`.

    Parameters
    ----------
    record : Quantity
        A record with a key that is not taken; the same record again changes nothing.

    Returns
    -------
    Quantity
        The record.

    Raises
    ------
    SchemaError
        If another record has this key.
    """
    known = _REGISTRY.setdefault(record.key, record)
    if known != record:
        raise SchemaError(
            f"there is a quantity {record.key!r} already: {known.description}",
            expected="a key that is not taken",
            hint=f"taken are: {', '.join(_REGISTRY)}",
        )
    return record


def quantity(key: str) -> Quantity:
    """The record of a quantity.

    Parameters
    ----------
    key : str
        E.g. ``"feh"``.

    Raises
    ------
    SchemaError
        If there is none of this key; with the nearest key there is.
    """
    if key in _REGISTRY:
        return _REGISTRY[key]
    near = difflib.get_close_matches(key.lower(), _REGISTRY, n=1)
    raise SchemaError(
        f"no quantity {key!r}",
        expected=f"one of: {', '.join(_REGISTRY)}",
        hint=f"did you mean {near[0]!r}?" if near else None,
    )


def quantities(*, of_every_star: bool | None = None) -> tuple[Quantity, ...]:
    """Every quantity in the order of the tables, or only those (not) of every star."""
    return tuple(q for q in _REGISTRY.values() if of_every_star is None or q.of_every_star == of_every_star)


for _record in (RV, TEFF, LOGG, FEH):
    register(_record)
