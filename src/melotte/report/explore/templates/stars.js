// The star list of a cluster.
const STAR_COLUMNS = ["source_id", "flag", "reason", "rv", "rv_error", "rv_deviation", "teff", "logg", "feh", "feh_error", "snr", "n_spectra", "probability"];
const chosenStars = new Selection();
const USES = { 12: "RV and [Fe/H]", 1: "RV only", 0: "not used" };
const useOf = row => USES[stars.at("flag", row)] ?? "not used";

function starTable(row) {
  const from = starStart[row], to = starStart[row + 1], table = byId("stars");
  const names = STAR_COLUMNS.filter(name => stars.has(name));
  const heads = names.map(name => {
    const column = stars.byName.get(name);
    const numeric = !["source_id", "reason"].includes(name);
    const head = el("th", { scope: "col", className: numeric ? "num" : name, title: column.title }, column.label);
    if (column.unit) head.append(el("span", { className: "unit", textContent: column.unit }));
    return head;
  });
  heads[0].classList.add("first");
  heads.unshift(el("th", { scope: "col", className: "pick", textContent: "Select" }));
  const body = el("tbody");
  for (let star = from; star < to; star++) {
    const cells = names.map(name => {
      const text = stars.shown(name, star);
      const cell = el(name === "source_id" ? "th" : "td", { className: ["source_id", "reason"].includes(name) ? name : name === "flag" ? "num wrap" : "num" });
      if (name === "source_id") cell.scope = "row";
      cell.textContent = name === "flag" ? `${text} (${useOf(star)})` : text;
      cell.dataset.v = stars.exact(name, star);
      return cell;
    });
    const box = el("input", { type: "checkbox", "aria-label": `Select star ${stars.at("source_id", star)}` });
    const index = star - from;
    box.addEventListener("change", () => chosenStars.toggle(index, box.checked));
    body.append(el("tr", {}, el("td", { className: "pick" }, box), ...cells));
  }
  table.replaceChildren(el("thead", {}, el("tr", {}, ...heads)), body);
  table.rowsByIndex = [...body.rows];
  makeSortable(table);
  markStars();
}

function markStars() {
  const all = byId("stars").rowsByIndex ?? [];
  all.forEach((row, index) => {
    const on = chosenStars.rows.has(index);
    row.classList.toggle("chosen", on);
    row.cells[0].firstElementChild.checked = on;
  });
  byId("clear-stars").disabled = !chosenStars.rows.size;
  const n = chosenStars.rows.size || all.length, what = chosenStars.rows.size ? "selected" : "all";
  byId("stars-csv").textContent = `Download CSV (${what}, ${n})`;
  byId("stars-vot").textContent = `Download VOTable (${what}, ${n})`;
  byId("stars-found").textContent = `${count(all.length, "star")}, ${chosenStars.rows.size} selected.`;
}
