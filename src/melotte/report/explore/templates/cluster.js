// The page of one cluster, filled from the data when it is opened.
let shownCluster = -1;
const clusterDrawing = once(async () => {
  const drawing = await draw(P.bokeh.cluster), source = drawing.find("stars");
  source.selected.properties.indices.change.connect(() => chosenStars.set(source.selected.indices));
  chosenStars.onChange(picked => { source.selected.indices = picked; });
  return drawing;
});
const memberRows = once(() => rows(P.members, ["x", "y"]));
const kielRows = once(() => rows(P.isochrones.kiel, ["x", "y"]));
const cmdRows = once(() => rows(P.isochrones.cmd, ["x", "y"]));
const limitRows = once(() => rows(P.selection.limit, ["x", "y"]));
const selectionOf = once(() => Object.fromEntries(["low", "high", "mean", "sigma"].map(name => [name, decode(P.selection[name])])));
const orbitArrays = once(() => Object.fromEntries(["x", "y", "r", "z"].map(name => [name, decode(P.orbits[name])])));
// Offsets, in sigma, at which the profile of a star is drawn.
const OFFSETS = Array.from({ length: 41 }, (_, i) => -3.5 + (7 * i) / 40);
const SHAPE = OFFSETS.map(t => Math.exp(-0.5 * t * t));
const BLUE = "#0072b2", BROWN = "#8a4b00";

// Two digits of the error, and as many of the value.
function rounded(value, ...errors) {
  const largest = Math.min(...errors.map(Math.abs).filter(e => e > 0));
  if (!Number.isFinite(largest)) return null;
  const digits = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(largest))));
  return [value, ...errors].map(x => x.toFixed(digits));
}

function stated(row, name, label) {
  const value = clusters.at(name, row);
  if (value === null) return null;
  const column = clusters.byName.get(name), error = clusters.at(`${name}_error`, row);
  const low = clusters.at(`${name}_p16`, row), high = clusters.at(`${name}_p84`, row);
  let said = clusters.shown(name, row);
  if (error !== null) said = (rounded(value, error) ?? [said, clusters.shown(`${name}_error`, row)]).join(" ± ");
  else if (low !== null && high !== null) {
    const [middle, a, b] = rounded(value, value - low, high - value) ?? [];
    // The value may lie outside the range of the draws: then the range itself is given.
    if (middle && low <= value && value <= high) said = `${middle} (+${b} −${a})`;
    else said += ` (16 to 84 %: ${clusters.shown(`${name}_p16`, row)} to ${clusters.shown(`${name}_p84`, row)})`;
  }
  const unit = column.unit && column.unit !== "dex" ? ` ${column.unit}` : "";
  return [label ?? column.label, said + unit, column.title];
}

const MAIN = [["n_all", "Stars"], ["n_rv", "Stars used for the velocity"], ["rv_med", "Radial velocity"], ["rv_corrected", "Velocity, zero point removed"], ["n_feh", "Stars used for [Fe/H]"], ["feh_med", "[Fe/H]"], ["log_age", "log10(age / yr)"], ["distance", "Distance"], ["r_gc", "R_GC"], ["ecc", "Eccentricity"]];

function fillText(row) {
  byId("cluster-name").textContent = P.names.shown[row];
  const also = P.names.also[row];
  byId("cluster-also").textContent = also.length ? `Also known as ${also.join(", ")}.` : "";
  const notes = [...new Set([clusters.at("note", row), ...P.notes[row]].filter(text => text))];
  byId("cluster-notes").replaceChildren(...(notes.length ? [el("ul", {}, ...notes.map(text => el("li", { textContent: text })))] : []));
  const main = MAIN.map(([name, label]) => stated(row, name, label)).filter(item => item);
  byId("cluster-main").replaceChildren(...main.map(([label, text, title]) => el("div", { title }, el("dt", { textContent: label }), el("dd", { textContent: text }))));
  const every = clusters.columns.filter(c => !/_(error|p16|p84)$/.test(c.name) && c.name !== "cluster" && c.name !== "note").map(c => stated(row, c.name)).filter(item => item);
  byId("cluster-values").replaceChildren(...every.flatMap(([label, text, title]) => [el("dt", { textContent: label, title }), el("dd", { textContent: text }, el("span", { className: "soft", textContent: ` ${title}` }))]));
  const last = clusterNames.length - 1;
  for (const [id, other, word] of [["before", row - 1, "Previous"], ["after", row + 1, "Next"]]) {
    const link = byId(id);
    link.hidden = other < 0 || other > last;
    if (!link.hidden) {
      link.href = address(other);
      link.textContent = `${word}: ${P.names.shown[other]}`;
    }
  }
  fillLiterature(row);
}

function fillLiterature(row) {
  const entries = P.reviews[row], names = { rv: "Radial velocity", feh: "[Fe/H]" }, target = byId("literature");
  if (!entries.length) {
    target.replaceChildren(el("p", { className: "soft", textContent: "No value of other catalogues is kept with this run: melotte compare reviews the literature, melotte explore then shows it here." }));
    return;
  }
  const known = entries.filter(entry => entry.value), first = entries.filter(entry => entry.evidence);
  const parts = [];
  if (known.length) {
    const head = ["Quantity", "Catalogue", "Value", "Unit", "Stars", "Reference"].map(text => el("th", { scope: "col", textContent: text, className: ["Value", "Stars"].includes(text) ? "num" : "" }));
    const body = known.map(e => el("tr", {}, el("th", { scope: "row", textContent: names[e.quantity] }), ...[[e.source], [e.value, "num"], [e.unit], [e.n ?? "", "num"], [e.reference ?? "", "note"]].map(([text, kind]) => el("td", { textContent: text, className: kind ?? "" }))));
    parts.push(el("div", { className: "scroll narrow", role: "region", tabIndex: 0, ariaLabel: "Literature values" }, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body))));
  }
  for (const entry of first) {
    parts.push(el("h4", { textContent: `${names[entry.quantity]}: not found in the literature searched` }));
    parts.push(el("dl", {}, ...Object.entries(entry.evidence).flatMap(([name, text]) => [el("dt", { textContent: name.replace(/_/g, " ") }), el("dd", { textContent: text })])));
  }
  target.replaceChildren(...parts);
}

function starData(row) {
  const from = starStart[row], to = starStart[row + 1], n = to - from;
  const slice = name => { const values = stars.values(name); return values === null ? new Float64Array(n).fill(NaN) : values.slice(from, to); };
  const data = { rv: slice("rv"), rv_error: slice("rv_error"), teff: slice("teff"), logg: slice("logg"), feh: slice("feh"), bp_rp: slice("bp_rp"), g: slice("phot_g_mean_mag") };
  const flag = Array.from({ length: n }, (_, i) => stars.at("flag", from + i));
  data.id = stars.values("source_id").slice(from, to);
  data.use = flag.map((_, i) => useOf(from + i));
  data.marker = flag.map(f => (f === 12 || f === 1 ? "circle" : "x"));
  data.colour = flag.map(f => (f === 12 || f === 1 ? BLUE : BROWN));
  data.fill = flag.map(f => (f === 12 ? BLUE : "rgba(255,255,255,0)"));
  // The more curves, the fainter each: a thousand still show where they are dense.
  data.alpha = flag.map(() => Math.min(1, Math.max(0.12, 25 / n)));
  const drawn = i => finite(data.rv[i], data.rv_error[i]) && data.rv_error[i] > 0;
  data.xs = flag.map((_, i) => (drawn(i) ? OFFSETS.map(t => data.rv[i] + t * data.rv_error[i]) : []));
  data.ys = flag.map((_, i) => (drawn(i) ? SHAPE : []));
  return data;
}

function fillDrawings(row, drawing) {
  const data = starData(row), n = data.id.length, source = drawing.find("stars");
  const set = (name, values) => { drawing.find(name).data = values; };
  const both = (x, y) => data.id.filter((_, i) => finite(data[x][i], data[y][i])).length;
  source.selected.indices = [];
  source.data = data;
  const place = drawnRow[row], s = selectionOf(), [low, high, mean, sigma] = [s.low[place], s.high[place], s.mean[place], s.sigma[place]];
  const plot = drawing.find("rv");
  if (finite(low, high)) { plot.x_range.start = low; plot.x_range.end = high; }
  set("rv_cluster", finite(mean, sigma) ? { x: OFFSETS.map(t => mean + t * sigma), y: SHAPE } : { x: [], y: [] });
  for (const name of ["rv_low", "rv_high"]) {
    const limit = stars.has(name) && n ? stars.at(name, starStart[row]) : null;
    set(name, limit === null ? { x: [], y: [] } : { x: [limit, limit], y: [0, 1.1] });
  }
  const track = P.isochrones.of[place];
  set("kiel_isochrone", track < 0 ? { x: [], y: [] } : kielRows()(track));
  set("kiel_limit", both("teff", "logg") ? limitRows()(place) : { x: [], y: [] });
  const feh = clusters.at("feh_med", row), seen = Array.from(data.teff).filter(Number.isFinite);
  set("feh_mean", feh === null || !seen.length ? { x: [], y: [] } : { x: [Math.min(...seen), Math.max(...seen)], y: [feh, feh] });
  const listed = memberRows()(place);
  set("cmd_members", listed);
  set("cmd_isochrone", cmdRows()(place));
  tell("rv", data.xs.filter(x => x.length).length, n, "star", "No star has a radial velocity with an error.");
  if (finite(mean, sigma)) byId("view-rv").querySelector(".count").textContent += " Thick: the cluster; dashed: the range accepted.";
  tell("kiel", both("teff", "logg"), n, "star", "No star has a temperature and a surface gravity.");
  tell("feh", both("teff", "feh"), n, "star", "No star has a temperature and [Fe/H].");
  tell("cmd", both("bp_rp", "g") || listed.x.length, Math.max(n, listed.x.length), "star", "No star has a colour and a magnitude.");
  const matched = both("bp_rp", "g"), behind = listed.x.length ? `${count(listed.x.length, "member")} of the list (grey)` : "no member of the list with a colour at hand";
  if (matched || listed.x.length) byId("view-cmd").querySelector(".count").textContent = `${count(matched, "observed star")}; ${behind}.`;
  byId("view-kiel").querySelector(".count").textContent += track < 0 ? "" : ` Dashed: ${P.isochrones.label[track]}; dotted: limit between giants and dwarfs.`;
  fillOrbit(place, set);
}

function fillOrbit(place, set) {
  const orbits = P.orbits, missing = orbits.missing || orbits.reason[place];
  let x = [], y = [], r = [], z = [];
  if (!orbits.missing) {
    const all = orbitArrays(), part = name => all[name].subarray(place * orbits.n, (place + 1) * orbits.n);
    [x, y, r, z] = ["x", "y", "r", "z"].map(part);
  }
  const there = x.length > 0 && finite(x[0], y[0], z[0]);
  byId("orbit-missing").hidden = there;
  byId("orbit-missing").textContent = there ? "" : orbits.missing || `No orbit: ${missing || "a value it needs is missing"}.`;
  const first = values => (there ? [values[0]] : []);
  set("orbit_rz_path", there ? { x: r, y: z } : { x: [], y: [] });
  set("orbit_xy_path", there ? { x, y } : { x: [], y: [] });
  set("orbit_rz_today", { x: first(r), y: first(z) });
  set("orbit_xy_today", { x: first(x), y: first(y) });
  for (const key of ["orbit_rz", "orbit_xy"]) {
    byId(`view-${key}`).hidden = !there;
    byId(`view-${key}`).querySelector(".count").textContent = there ? `The last ${((orbits.n - 1) * orbits.step).toLocaleString("en")} Myr; diamond: today.` : "";
  }
}

async function showCluster(row) {
  shownCluster = row;
  chosenStars.set([]);
  fillText(row);
  const left = drawnRow[row] < 0;
  byId("left-out").hidden = !left;
  for (const id of ["cluster-stars", "cluster-orbit", "cluster-list"]) byId(id).parentElement.hidden = left;
  if (left) {
    const there = drawnRow.filter(place => place >= 0).length;
    byId("left-out").textContent = `Stars and orbit of this cluster are not in this page: it has room for ${stars.n.toLocaleString("en")} of ${P.n_stars.toLocaleString("en")} stars, those of ${count(there, "cluster")} with many velocities ([figures] page_stars). They are in the tables of members and orbits beside it; melotte show "${clusterNames[row]}" draws them.`;
    return;
  }
  starTable(row);
  const drawing = await clusterDrawing();
  if (row !== shownCluster) return;
  fillDrawings(row, drawing);
  for (const key of ["kiel", "feh", "cmd", "orbit_rz", "orbit_xy"]) drawing.find(key).reset.emit();
}

function setUpCluster() {
  chosenStars.onChange(markStars);
  byId("clear-stars").addEventListener("click", () => chosenStars.set([]));
  const picked = () => (chosenStars.rows.size ? chosenStars.sorted : (byId("stars").rowsByIndex ?? []).map((_, i) => i)).map(i => starStart[shownCluster] + i);
  const stem = () => clusterNames[shownCluster].replace(/[^\w+-]/g, "_");
  byId("stars-csv").addEventListener("click", () => saveCsv(stars, picked(), stem()));
  byId("stars-vot").addEventListener("click", () => saveVotable(stars, picked(), stem()));
}
